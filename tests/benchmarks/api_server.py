"""A gunicorn of our own, as the site runs it, and a client that keeps its connection."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_START_LIMIT_S = 120.0


class Browser:
    """Asks one server over one connection; raises on any answer but 200."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str, *, fragment: bool = False) -> bytes:
        """Return the body; `fragment` asks as htmx does."""
        self._connection.request("GET", path, headers={"HX-Request": "true"} if fragment else {})
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {body[:300]!r}")
        return body


@contextmanager
def serving() -> Iterator[Browser]:
    """Serve Django's database while the block runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "geolocator.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    command += [
        "--worker-class",
        "gthread",
        "--workers",
        "1",
        "--threads",
        "4",
        "--timeout",
        "120",
        "--keep-alive",
        "120",
    ]
    server = subprocess.Popen([*command, "--log-level", "warning"])
    try:
        yield _wait_for(port, server)
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> Browser:
    deadline = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            browser = Browser(port)
            browser.get("/healthz")
            return browser
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
