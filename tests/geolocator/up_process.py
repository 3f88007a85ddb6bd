"""`manage.py up` as people start it: a process of its own, on a data folder of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .conftest import PROJECT, end_processes_of, own_environment, wait_until


@contextmanager
def folder_without_sample() -> Iterator[Path]:
    """A data folder on which `up` may run again and again; drawing the sample has tests of its own."""
    with tempfile.TemporaryDirectory(prefix="geolocator-up-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        (Path(name) / "sample-state").write_text("made\n")
        yield Path(name)
        end_processes_of(Path(name))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Up:
    """One running `up`, and what it says."""

    def __init__(self, folder: Path, port: int, **environment: str) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=PROJECT,
            env=own_environment(DATA_DIR=str(folder), PORT=str(port), **environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def get(self, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as exc:
            return exc.code, json.load(exc)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said
        status, body = self.get("/readyz")
        return status == 200 and body["status"] == "ok"

    def stop(self, request: signal.Signals = signal.SIGINT) -> float:
        """Seconds until it ended."""
        began = time.monotonic()
        self.process.send_signal(request)
        self.process.wait(60)
        self._reader.join(10)
        return time.monotonic() - began

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def wait(self) -> Up:
        """Until it serves."""
        wait_until(lambda: "Ctrl-C stops everything" in self.said or self.process.poll() is not None, timeout_s=180)
        wait_until(self.is_ready, timeout_s=60)
        return self


def run_up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """An `up` that should end by itself."""
    return subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=PROJECT,
        env=own_environment(DATA_DIR=str(folder), **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
