"""A folder as an object store that speaks S3's language: enough of it to list and to read parts, over real HTTP."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

BUCKET = "bucket"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    broken = False
    reads = 0

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self._answer(head=False)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""

    def _answer(self, *, head: bool) -> None:
        path, _, query = self.path.partition("?")
        key = urllib.parse.unquote(path).removeprefix(f"/{BUCKET}").strip("/")
        file = self.folder / key
        if type(self).broken:
            self._send(403, b"", head=head)
        elif "list-type" in query:
            self._send(200, self._listing(urllib.parse.parse_qs(query).get("prefix", [""])[0]), head=head)
        elif file.is_file():
            self._send_file(file.read_bytes(), head=head)
        else:
            self._send(404, b"", head=head)

    def _send_file(self, data: bytes, *, head: bool) -> None:
        asked = self.headers.get("Range")
        if asked is None:
            self._send(200, data, head=head)
            return
        type(self).reads += 1
        start, end = (int(one) for one in asked.removeprefix("bytes=").split("-"))
        part = data[start : end + 1]
        self._send(206, part, head=head, **{"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"})

    def _listing(self, prefix: str) -> bytes:
        found = sorted(path for path in (self.folder / prefix).glob("*") if path.is_file())
        entries = "".join(
            f"<Contents><Key>{escape(path.relative_to(self.folder).as_posix())}</Key><Size>{path.stat().st_size}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for path in found
        )
        told = f"<Name>{BUCKET}</Name><KeyCount>{len(found)}</KeyCount><IsTruncated>false</IsTruncated>{entries}"
        return f'<?xml version="1.0"?><ListBucketResult>{told}</ListBucketResult>'.encode()

    def _send(self, status: int, data: bytes, *, head: bool, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), "ETag": '"1"', **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if not head:
            self.wfile.write(data)


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, type[_Handler]]]:
    """Yield what stands behind a URL of the bucket, and the handler, which counts reads and can be `broken`."""
    handler = type("Handler", (_Handler,), {"folder": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1", handler
    finally:
        server.shutdown()
        server.server_close()
