"""Fetching, resuming and checking weight files, from a real server on the loopback."""

from __future__ import annotations

import fcntl
import hashlib
import http.server
import pickle
import socket
import threading
import time

import pytest
import torch
from safetensors.torch import save_file

from photos.vision import weights
from photos.vision.errors import WeightsCorruptError, WeightsMissingError
from photos.vision.types import WeightFile

CONTENT = bytes(range(256)) * 9000
CHANGED = CONTENT[::-1]
DIGEST, CHANGED_DIGEST = (hashlib.sha256(content).hexdigest() for content in (CONTENT, CHANGED))


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve `content` with ranges, and send on from /hub/ to it, as Hugging Face does.

    `break_after` cuts the connection; `named` are headers of the file, `linked` those of the redirect to it; `shift`
    has ranges begin elsewhere than asked; `pause_s` follows every 100,000 bytes.
    """

    content = CONTENT
    break_after = None
    shift = 0
    pause_s = 0.0
    heeds_if_range = True
    named: dict[str, str] = {}
    linked: dict[str, str] = {}
    ranges: list[str | None] = []

    def do_GET(self):
        if self.path.startswith("/hub/"):
            self._answer(302, Location=self.path.removeprefix("/hub"), **self.linked)
            return
        asked = self.headers.get("Range")
        type(self).ranges.append(asked)
        if self.heeds_if_range and self.headers.get("If-Range", "") not in ("", *self.named.values()):
            asked = None
        start = int(asked.removeprefix("bytes=").rstrip("-")) + self.shift if asked else 0
        if start >= len(self.content):
            self.send_error(416)
            return
        there = {"Content-Length": str(len(self.content) - start)}
        if asked:
            there["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        self._answer(206 if asked else 200, **there | self.named)
        sent = self.content[start : self.break_after]
        for at in range(0, len(sent), 100_000):
            self.wfile.write(sent[at : at + 100_000])
            time.sleep(self.pause_s)

    def _answer(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_arguments):
        """Keep quiet."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))

    class OwnHandler(Handler):
        ranges: list[str | None] = []

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OwnHandler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def file_of(server, sha256=DIGEST, path="w.pth"):
    return WeightFile("w.pth", f"http://127.0.0.1:{server.server_port}/{path}", sha256, len(CONTENT))


def test_it_fetches_with_progress_and_only_once(server):
    file, seen = file_of(server), []
    assert not weights.is_present(file)
    path = weights.fetch(file, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _total in seen] == sorted(done for done, _total in seen)
    assert weights.fetch(file) == path
    assert len(server.RequestHandlerClass.ranges) == 1
    weights.verify(file)


def test_it_goes_on_where_a_download_broke(server):
    file = file_of(server)
    break_off(server, file)
    assert not weights.is_present(file)
    assert weights.fetch(file).read_bytes() == CONTENT
    assert server.RequestHandlerClass.ranges == [None, "bytes=1500000-"]


def break_off(server, file):
    """Have a first attempt end after 1,500,000 bytes."""
    server.RequestHandlerClass.break_after = 1_500_000
    with pytest.raises(WeightsMissingError, match="run it again"):
        weights.fetch(file)
    server.RequestHandlerClass.break_after = None


def names_left():
    return sorted(one.name for one in weights.model_dir().iterdir())


@pytest.mark.parametrize(
    "named", [{"ETag": '"a"'}, {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}, {"X-Linked-ETag": f'"{DIGEST}"'}]
)
def test_it_goes_on_with_the_same_version_of_an_unpinned_file(server, named):
    file, server.RequestHandlerClass.named = file_of(server, sha256=""), named
    break_off(server, file)
    assert weights.fetch(file).read_bytes() == CONTENT
    assert server.RequestHandlerClass.ranges == [None, "bytes=1500000-"]
    assert names_left() == ["w.pth", "w.pth.part.lock", "w.pth.sha256"]


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"a"'}, {"ETag": '"b"'}),
        ({"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}, {"Last-Modified": "Thu, 01 Jan 2026 00:00:09 GMT"}),
        ({"ETag": 'W/"a"'}, {"ETag": 'W/"a"'}),  # weak: alike, not the same
        ({"X-Linked-ETag": f'"{DIGEST}"'}, {"X-Linked-ETag": f'"{CHANGED_DIGEST}"'}),
        ({"X-Linked-ETag": f'"{DIGEST}"'}, {}),
        ({}, {}),
    ],
)
def test_a_file_that_changed_between_two_attempts_is_fetched_anew(server, before, after, heeds_if_range):
    handler, file = server.RequestHandlerClass, file_of(server, sha256="")
    handler.heeds_if_range, handler.named = heeds_if_range, before
    break_off(server, file)
    handler.content, handler.named = CHANGED, after
    assert weights.fetch(file).read_bytes() == CHANGED
    weights.verify(file)
    assert names_left() == ["w.pth", "w.pth.part.lock", "w.pth.sha256"]


def test_a_file_that_changed_behind_a_hub_is_fetched_anew(server):
    handler, file = server.RequestHandlerClass, file_of(server, sha256="", path="hub/w.pth")
    handler.linked = {"X-Linked-ETag": f'"{DIGEST}"'}
    break_off(server, file)
    handler.content, handler.linked = CHANGED, {"X-Linked-ETag": f'"{CHANGED_DIGEST}"'}
    assert weights.fetch(file).read_bytes() == CHANGED
    assert handler.ranges == [None, "bytes=1500000-", None]


def test_a_file_that_became_shorter_than_its_part_is_fetched_anew(server):
    handler, file = server.RequestHandlerClass, file_of(server, sha256="")
    handler.heeds_if_range, handler.named = False, {"ETag": '"a"'}
    break_off(server, file)
    handler.content = CHANGED[:1000]
    assert weights.fetch(file).read_bytes() == CHANGED[:1000]


@pytest.mark.parametrize("sha256", ["", DIGEST])
def test_it_begins_anew_where_the_rest_is_not_the_one_asked_for(server, sha256):
    handler, file = server.RequestHandlerClass, file_of(server, sha256=sha256)
    handler.named = {"ETag": '"a"'}
    break_off(server, file)
    handler.shift = -500
    assert weights.fetch(file).read_bytes() == CONTENT
    assert handler.ranges == [None, "bytes=1500000-", None]


def test_a_note_that_was_lost_with_the_power_is_not_gone_by(server):
    file, server.RequestHandlerClass.named = file_of(server, sha256=""), {"ETag": '"a"'}
    break_off(server, file)
    weights.path_of(file).with_name("w.pth.part.version").write_bytes(b"\0" * 20)
    assert weights.fetch(file).read_bytes() == CONTENT
    assert server.RequestHandlerClass.ranges == [None, None]


def test_a_whole_part_is_only_checked(server):
    file = file_of(server)
    weights.model_dir().mkdir()
    weights.path_of(file).with_name("w.pth.part").write_bytes(CONTENT)
    assert weights.fetch(file).read_bytes() == CONTENT


def test_it_rejects_another_file_and_forgets_it(server):
    file = file_of(server, sha256="0" * 64)
    with pytest.raises(WeightsCorruptError, match=f"{DIGEST}.*{'0' * 64}"):
        weights.fetch(file)
    assert names_left() == ["w.pth.part.lock"]


def test_an_unpinned_file_is_pinned_by_the_first_fetch(server):
    file = file_of(server, sha256="")
    path = weights.fetch(file)
    weights.verify(file)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsCorruptError):
        weights.verify(file)


def test_an_unpinned_file_is_held_against_the_servers_digest(server):
    server.RequestHandlerClass.named = {"X-Linked-ETag": f'"{"1" * 64}"'}
    with pytest.raises(WeightsCorruptError, match="1" * 64):
        weights.fetch(file_of(server, sha256=""))


def test_an_unpinned_file_is_held_against_the_digest_of_the_hub_that_sends_on(server):
    server.RequestHandlerClass.linked = {"X-Linked-ETag": f'"{"1" * 64}"', "X-Linked-Size": str(len(CONTENT))}
    server.RequestHandlerClass.named = {"ETag": f'"{DIGEST}"'}
    file = file_of(server, sha256="", path="hub/w.pth")
    with pytest.raises(WeightsCorruptError, match="1" * 64):
        weights.fetch(file)
    assert not weights.is_present(file)
    server.RequestHandlerClass.linked = {"X-Linked-ETag": f'"{DIGEST}"', "X-Linked-Size": str(len(CONTENT))}
    assert weights.fetch(file).read_bytes() == CONTENT
    weights.verify(file)


def test_a_plain_entity_tag_is_no_digest_of_the_file(server):
    server.RequestHandlerClass.named = {"ETag": f'"{"1" * 64}"'}
    assert weights.fetch(file_of(server, sha256="")).read_bytes() == CONTENT


def test_a_hub_tells_the_size_that_its_storage_does_not(server):
    server.RequestHandlerClass.linked = {"X-Linked-Size": str(len(CONTENT))}
    server.RequestHandlerClass.named = {"Content-Length": ""}
    file = WeightFile("w.pth", file_of(server, path="hub/w.pth").url, "", 0)
    server.RequestHandlerClass.break_after = 1000
    with pytest.raises(WeightsMissingError, match=f"after 1000 of {len(CONTENT)} bytes"):
        weights.fetch(file)


def test_without_a_network_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        file = WeightFile("w.pth", f"http://127.0.0.1:{closed.getsockname()[1]}/w.pth", DIGEST, 375_042_383)
        started = time.monotonic()
        with pytest.raises(WeightsMissingError) as caught:
            weights.fetch(file)
    assert time.monotonic() - started < 15
    for part in (file.url, "375 MB", str(tmp_path / "w.pth"), "models fetch"):
        assert part in str(caught.value)
    assert not caught.value.permanent


def test_a_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setattr(weights, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = WeightFile("w.pth", f"http://127.0.0.1:{silent.getsockname()[1]}/w.pth", DIGEST, 1)
        with pytest.raises(WeightsMissingError, match="timed out"):
            weights.fetch(file)


def test_two_at_once_fetch_once(server):
    file = file_of(server)
    threads = [threading.Thread(target=weights.fetch, args=(file,)) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert weights.path_of(file).read_bytes() == CONTENT
    assert len(server.RequestHandlerClass.ranges) == 1


def test_the_second_tells_how_far_the_first_is(server):
    server.RequestHandlerClass.pause_s = 0.1
    file, seen = WeightFile("w.pth", file_of(server).url, "", 0), []
    part = weights.path_of(file).with_name("w.pth.part")
    first = threading.Thread(target=weights.fetch, args=(file,))
    first.start()
    while not (part.is_file() and part.stat().st_size):
        time.sleep(0.01)
    path = weights.fetch(file, progress=lambda done, total: seen.append((done, total)))
    first.join()
    assert path.read_bytes() == CONTENT
    assert {total for _done, total in seen} == {len(CONTENT)}
    assert len([done for done, _total in seen if 0 < done < len(CONTENT)]) > 3
    assert len(server.RequestHandlerClass.ranges) == 1


@pytest.fixture
def held_lock(server):
    """Another process's lock on the file; closing it lets it go."""
    weights.model_dir().mkdir()
    with (weights.model_dir() / "w.pth.part.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def test_the_second_gives_up_where_the_first_stands_still(server, held_lock, monkeypatch):
    monkeypatch.setattr(weights, "TIMEOUT_S", 0.5)
    weights.path_of(file_of(server)).with_name("w.pth.part").write_bytes(CONTENT[:1000])
    began = time.monotonic()
    with pytest.raises(WeightsMissingError, match=r"another process.*stands still.*copy it to") as caught:
        weights.fetch(file_of(server))
    assert 0.5 <= time.monotonic() - began < 5
    assert not caught.value.permanent


def test_the_second_is_patient_while_the_first_checks_a_whole_part(server, held_lock, monkeypatch):
    monkeypatch.setattr(weights, "TIMEOUT_S", 0.3)
    file = file_of(server)
    part = weights.path_of(file).with_name("w.pth.part")
    part.write_bytes(CONTENT)

    def finish():
        part.replace(weights.path_of(file))
        held_lock.close()

    timer = threading.Timer(1.0, finish)
    timer.start()
    assert weights.fetch(file).read_bytes() == CONTENT
    timer.join()
    assert server.RequestHandlerClass.ranges == []


def test_the_second_is_told_in_time_that_there_is_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setattr(weights, "TIMEOUT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = WeightFile("w.pth", f"http://127.0.0.1:{silent.getsockname()[1]}/w.pth", DIGEST, 1)

        def fail():
            with pytest.raises(WeightsMissingError, match="timed out"):
                weights.fetch(file)

        first = threading.Thread(target=fail)
        first.start()
        time.sleep(0.2)
        began = time.monotonic()
        with pytest.raises(WeightsMissingError, match=r"timed out|stands still"):
            weights.fetch(file)
        assert time.monotonic() - began < 3.3  # not 1.8 seconds for the first, and 2 of its own
        first.join()


def test_missing_weights_are_told_with_a_hint(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    with pytest.raises(WeightsMissingError, match=r"w\.pth.*copy it to"):
        weights.require(WeightFile("w.pth", "https://example.org/w.pth", DIGEST, 1))


def test_the_folder_follows_the_settings(monkeypatch, tmp_path):
    monkeypatch.delenv("MODEL_DIR", raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert weights.model_dir() == tmp_path / "models"
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "elsewhere"))
    assert weights.model_dir() == tmp_path / "elsewhere"


def test_it_loads_every_format_alike(tmp_path):
    layer = torch.nn.Linear(3, 2)
    torch.save(layer.state_dict(), tmp_path / "plain.pth")
    torch.save({"epoch": 3, "state_dict": layer.state_dict()}, tmp_path / "nested.pt")
    save_file(layer.state_dict(), tmp_path / "safe.safetensors")
    torch.jit.script(layer).save(tmp_path / "script.pt")
    for name in ("plain.pth", "nested.pt", "safe.safetensors", "script.pt"):
        found = weights.load_state(tmp_path / name)
        assert torch.equal(found["weight"], layer.weight), name
        assert torch.equal(found["bias"], layer.bias), name


class Unwelcome:
    """What a hostile pickle would hold: something to call."""

    def __reduce__(self):
        return (open, ("/dev/null",))


def test_it_rejects_files_that_are_more_than_weights(tmp_path):
    torch.save({"weight": Unwelcome()}, tmp_path / "hostile.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Unwelcome()))
    (tmp_path / "broken.safetensors").write_bytes(b"nothing of the kind")
    torch.save(torch.ones(2), tmp_path / "unnamed.pth")
    for name in ("hostile.pth", "bare.pth", "broken.safetensors", "unnamed.pth"):
        with pytest.raises(WeightsCorruptError, match=name):
            weights.load_state(tmp_path / name)
