from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import PROJECT, own_environment, processes_of, wait_until
from .up_process import Up, folder_without_sample, free_port, run_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with folder_without_sample() as folder:
        yield folder


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[], Up]]:
    """Starts `up` and waits until it serves; ends it after the test."""
    started: list[Up] = []

    def start_up() -> Up:
        started.append(Up(folder, free_port()))
        return started[-1].wait()

    yield start_up
    for up in started:
        if up.process.poll() is None:
            up.stop()


def test_it_serves_and_leaves_nothing_behind(start, folder):
    up = start()
    assert up.get("/healthz") == (200, {"status": "ok"})
    assert up.stop(signal.SIGINT) < 12
    assert up.process.returncode == 0
    assert up.said.rstrip().endswith("Stopped")
    assert processes_of(folder) == {}


def test_the_administrator_stays_the_same(start, folder):
    start().stop(signal.SIGTERM)
    assert processes_of(folder) == {}
    path = folder / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, key = json.loads(path.read_text()), (folder / "secret_key").read_text()
    up = start()
    again = json.loads(path.read_text())
    assert {**again, "url": ""} == {**first, "url": ""}
    assert again["url"] == f"{up.url}/"
    assert (folder / "secret_key").read_text() == key
    assert first["password"] not in up.said


def test_a_taken_port_is_named(folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_up(folder, PORT=str(port))
    assert done.returncode == 1
    assert f"port {port} is taken; set PORT=" in done.stderr
    assert processes_of(folder) == {}


def test_it_rejects_a_port_that_is_none(folder):
    done = run_up(folder, PORT="eighty")
    assert done.returncode == 1
    assert "PORT must be a number, got 'eighty'" in done.stderr


def test_it_rejects_a_setting_of_vision_that_cannot_be(folder):
    done = run_up(folder, OPEN_CLIP_MODELS="ViT-B-16")
    assert done.returncode == 1
    assert "OPEN_CLIP_MODELS has 'ViT-B-16'; write name:tag" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_shares_the_servers_and_outlives_up(start, folder):
    up = start()
    code = "import sys; from django.contrib.auth.models import User; print(User.objects.count(), flush=True);"
    code += "sys.stdin.readline(); from django.db import connection; connection.close(); print(User.objects.count())"
    command = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code],
        cwd=PROJECT,
        env=own_environment(DATA_DIR=str(folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "1\n"
    up.stop()
    output, _ = command.communicate("go on\n", timeout=60)
    assert output == "1\n"
    assert command.returncode == 0
    assert processes_of(folder) == {}


def test_everything_ends_when_up_is_killed(start, folder):
    up = start()
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait()
    wait_until(lambda: processes_of(folder) == {}, timeout_s=12)


def test_it_starts_again_at_once_after_a_kill(start, folder):
    up = start()
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait()
    up = start()
    for pid in [up.process.pid, *processes_of(folder)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    up.process.wait()
    start()


def test_an_interrupted_start_leaves_nothing_behind(folder):
    for pause_s in (0.5, 1.0, 2.0):
        up = Up(folder, free_port())
        time.sleep(pause_s)
        up.stop()
        assert processes_of(folder) == {}
