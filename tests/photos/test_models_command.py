"""`manage.py models`, with and without a network."""

from __future__ import annotations

import http.server
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from django.conf import settings as site
from django.core.management import CommandError, call_command

from photos.models import EmbeddingSpace
from photos.services.spaces import create_space
from photos.vision import registry, weights
from photos.vision.types import WeightFile
from tests.photos.workers import database_url

pytestmark = pytest.mark.django_db

CLIP = "clip-vit-b-32-openai"
CONTENT = b"weights " * 4000
NAME = "w.pth"


@pytest.fixture
def model_dir(settings, tmp_path) -> Path:
    folder: Path = tmp_path / "models"
    settings.MODEL_DIR = folder
    return folder


@pytest.fixture
def fetched_from() -> Iterator[Callable[[int], None]]:
    """Have DINOv2's weights, under another name, come from a port of this machine."""
    slug = "dinov2-b-14"
    spec, target = registry._ENCODERS[slug]

    def point(port: int) -> None:
        file = WeightFile(NAME, f"http://127.0.0.1:{port}/{NAME}", sha256(CONTENT).hexdigest(), len(CONTENT))
        registry.register_encoder(replace(spec, weights=(file,)), target)

    yield point
    registry.register_encoder(spec, target)


def models(*arguments: str) -> str:
    out = io.StringIO()
    call_command("models", *arguments, stdout=out, stderr=out, verbosity=0)
    return out.getvalue()


def test_it_lists_what_is_known_and_what_is_here(space, model_dir):
    model_dir.mkdir()
    (model_dir / "ViT-B-32.pt").write_bytes(b"0" * 3_000_000)
    lines = {line.split()[0]: line for line in models("list").splitlines()}
    assert "512 dimensions" in lines["clip-vit-b-32-openai"]
    assert "MIT" in lines["clip-vit-b-32-openai"]
    assert "ViT-B-32.pt (here, 3 MB)" in lines["clip-vit-b-32-openai"]
    assert "sam_vit_h_4b8939.pth (not here, 2565 MB)" in lines["sam-vit-h"]
    assert "dinov2_vitb14_pretrain.pth (not here, size unknown)" in lines["dinov2-b-14"]
    assert "no weights" in lines["windows"]
    assert str(model_dir) in lines["Weights"]
    assert "active" in models("list").splitlines()[-1]


def test_it_lists_spaces_begun_with_other_settings(space, settings):
    create_space("other", encoder="classical-512", segmenter="sam-vit-b")
    assert "begun with" not in models("list")
    settings.STABILITY_SCORE_THRESH = 0.5
    assert "    other was begun with other settings: STABILITY_SCORE_THRESH was 0.95 and is 0.5." in models("list")


def test_it_fetches_verifies_and_finds_the_wrong_ones(model_dir, fetched_from, tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / NAME).write_bytes(CONTENT)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=str(tmp_path / "served"), **options)

        def log_message(self, *_arguments):
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        fetched_from(server.server_port)
        assert models("fetch", "dinov2-b-14") == f"{NAME}: {model_dir / NAME}\n"
        server.shutdown()
    assert (model_dir / NAME).read_bytes() == CONTENT
    assert models("verify", "dinov2-b-14") == f"{NAME}: as it should be\n"
    assert models("verify") == f"{NAME}: as it should be\n"
    (model_dir / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(CommandError, match="1 of 1 files"):
        models("verify", "dinov2-b-14")


@pytest.mark.parametrize("command", ["fetch", "activate", "build"])
def test_without_a_network_it_says_what_is_missing_and_what_to_do(space, model_dir, fetched_from, command):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        fetched_from(closed.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(CommandError) as caught:
            models(command, "dinov2-b-14")
    assert time.monotonic() - began < 5
    told = str(caught.value)
    assert f"{NAME} could not be fetched" in told
    assert f"copy it to {model_dir / NAME}" in told
    assert f"manage.py models fetch {NAME}" in told
    assert EmbeddingSpace.objects.count() == 1


def test_a_network_that_swallows_everything_is_told_in_time(space, model_dir, fetched_from, monkeypatch):
    assert weights.TIMEOUT_S <= 8  # of the 15 seconds; the rest is for the command to start
    monkeypatch.setattr(weights, "TIMEOUT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fetched_from(silent.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(CommandError, match="timed out"):
            models("activate", "dinov2-b-14")
    assert time.monotonic() - began < 5


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("unshare") is None, reason="a process without a network needs Linux's unshare")
@pytest.mark.django_db(transaction=True)
def test_a_machine_without_a_network(space, model_dir):
    """The real addresses, in a real process that has no network interface at all."""
    alone = ["unshare", "--net", "--map-root-user"] if os.geteuid() else ["unshare", "--net"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let a test take the network away")
    command = [*alone, sys.executable, "manage.py", "models", "activate", "clip-vit-b-32-openai"]
    environment = {**os.environ, "DATABASE_URL": database_url(), "MODEL_DIR": str(model_dir)}
    began = time.monotonic()
    done = subprocess.run(command, cwd=site.BASE_DIR, env=environment, capture_output=True, text=True, check=False)
    assert time.monotonic() - began < 15
    assert done.returncode == 1
    assert "ViT-B-32.pt could not be fetched" in done.stderr
    assert f"copy it to {model_dir / 'ViT-B-32.pt'}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["activate", "nonesuch"], "unknown encoder 'nonesuch'; known: classical-512,"),
        (["fetch", "nonesuch"], "unknown model 'nonesuch'; known: classical-512,"),
        (
            ["activate", f"{CLIP}+mi-0-0.5"],
            r"write clip-vit-b-32-openai\+mi, or .*\+mi-STEPS-ALPHA with 1 to 10000 steps",
        ),
        (
            ["fetch", f"{CLIP}+mi-020-0.5"],
            r"write clip-vit-b-32-openai\+mi, or .*\+mi-STEPS-ALPHA with 1 to 10000 steps",
        ),
        (["retire", "nonesuch"], "there is no space 'nonesuch'"),
        (["build", "mine", "--encoder", "classical-512", "--segmenter", "none"], "unknown segmenter 'none'"),
        (["retire", "classical-512"], "is the active space; activate another one first"),
    ],
)
def test_it_rejects_what_is_not_there(space, model_dir, arguments, message):
    with pytest.raises(CommandError, match=message):
        models(*arguments)


def test_a_space_without_weights_is_switched_to_at_once(space, model_dir):
    told = models("activate", "mine", "--encoder", "classical-512", "--segmenter", "regions")
    assert "Searches use mine now." in told
    assert EmbeddingSpace.objects.get(state="active").segmenter == "regions"
