"""A real `up` that gets SAM and CLIP by itself: offline at first, killed in the middle, taken up again, swapped."""

from __future__ import annotations

import http.server
import io
import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.photos.networks import CLIP_FILE, SAM_FILE, SETTINGS, SPACE, write_models
from tests.photos.pictures import jpeg

from .conftest import wait_until
from .up_process import Up, folder_without_sample, free_port

pytestmark = pytest.mark.slow


class Mirror(http.server.ThreadingHTTPServer):
    """Serves a folder with ranges; may be away, or stop in the middle of a file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.away = True
        self.sending = threading.Event()
        self.ranges: list[tuple[str, str | None]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever fetched was killed: that is the subject."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        if self.server.away:
            self.send_error(503)
            return
        asked = self.headers.get("Range")
        content = (self.server.folder / self.path.strip("/")).read_bytes()
        self.server.ranges.append((self.path.strip("/"), asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        half = start + (len(content) - start) // 2
        self.wfile.write(content[start:half])
        self.wfile.flush()
        self.server.sending.wait(60)
        self.wfile.write(content[half:])

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with Mirror(write_models(tmp_path / "published")) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.sending.set()
        server.shutdown()


def post(up: Up, path: str, fields: dict[str, str], picture: bytes) -> Any:
    """Send a form with a picture as the administrator; return the answer."""
    token = json.loads((up.folder / "credentials.json").read_text())["token"]
    body = io.BytesIO()
    for name, value in fields.items():
        body.write(f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    head = '--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body.write(head.encode() + picture + b"\r\n--x--\r\n")
    headers = {"Authorization": f"Token {token}", "Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(up.url + path, body.getvalue(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_it_gets_there_by_itself(mirror):
    with folder_without_sample() as folder:
        models = folder / "models"
        models.mkdir()
        for name in (CLIP_FILE, SAM_FILE):
            digest = sha256((mirror.folder / name).read_bytes()).hexdigest()
            (models / f"{name}.sha256").write_text(f"{digest}  {name}\n")
        environment = {name: str(value) for name, value in SETTINGS.items()} | {
            "MODELS_AUTO": "yes",
            "MODEL_MIRROR": f"http://127.0.0.1:{mirror.server_port}",
            "RECONCILE_EVERY_S": "1",
        }
        first = Up(folder, free_port(), **environment).wait()
        began = time.monotonic()
        wait_until(lambda: "switches later" in first.said, timeout_s=60)
        told_s = time.monotonic() - began
        assert f"{CLIP_FILE} could not be fetched (the server answered 503" in first.said
        assert first.get("/readyz")[1]["checks"]["space"]["active"] == "classical-512"
        assert first.get("/healthz")[1]["models"]["stage"] == "offline"
        photos = [post(first, "/api/v1/photos/", {"latitude": "1", "longitude": str(n)}, jpeg(n)) for n in (1, 2)]
        assert len(photos) == 2

        mirror.away = False
        (models / CLIP_FILE).write_bytes((mirror.folder / CLIP_FILE).read_bytes())  # somebody copied one of the two
        wait_until(lambda: first.get("/healthz")[1].get("models", {}).get("stage") == "fetching", timeout_s=60)
        wait_until(lambda: (models / f"{SAM_FILE}.part").stat().st_size > 0)
        wait_until(lambda: f"] {SAM_FILE}: " in first.said)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(10)

        mirror.sending.set()
        second = Up(folder, free_port(), **environment).wait()
        search = post(second, "/api/v1/locate/?wait=30", {}, jpeg(1))  # answered meanwhile
        assert search["state"] == "done"
        wait_until(lambda: second.get("/readyz")[1]["checks"]["space"]["active"] == SPACE, timeout_s=180)
        wait_until(lambda: f"Searches use {SPACE} now" in second.said)
        assert mirror.ranges[0] == (SAM_FILE, None)
        name, asked = mirror.ranges[-1]
        assert (name, asked is not None) == (SAM_FILE, True)
        assert "[####################]" in second.said
        assert post(second, "/api/v1/locate/?wait=60", {}, jpeg(2))["state"] == "done"
        assert "models" not in second.get("/healthz")[1]
        second.stop(signal.SIGINT)
    assert told_s < 15 or os.getloadavg()[0] > 4  # a machine that does much else is slower
