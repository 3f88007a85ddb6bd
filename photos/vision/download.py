"""A file fetched over HTTP into a part of it on disk, and taken up where it broke.

Hugging Face names a large file's SHA-256 and size, `X-Linked-ETag` and `X-Linked-Size`, where it sends on to its
storage. A plain `ETag` may be any other hash, and is none of the file.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeAlias

from photos.vision.errors import VisionError

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes that are there and those there will be (0 where not known)."""

_BLOCK: Final = 1 << 20


def fill(part: Path, url: str, *, size: int, timeout_s: float, progress: Progress | None) -> str:
    """Fetch what is missing of `part` and return the SHA-256 that the server names for the whole, or nothing.

    `size` is the whole's, 0 where not known; `timeout_s` bounds connecting and every wait for data. Raises `OSError`
    and `HTTPException` as urllib does, and `VisionError` where the disk is full.
    """
    there = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "geolocator"} | ({"Range": f"bytes={there}-"} if there else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own table of addresses, or the operator's mirror
    hops = _Hops()
    try:
        with _open(request, hops, timeout_s) as response:
            hops.note(response.headers)
            resumed = response.status == 206
            _receive(response, part, there if resumed else 0, hops.size or size, progress)
    except urllib.error.HTTPError as exc:
        if exc.code != 416:  # nothing left to send: all of it is there already
            raise
    return hops.digest


class _Hops(urllib.request.HTTPRedirectHandler):
    """Follow redirects, and keep what the first to name the file's digest or size says."""

    def __init__(self) -> None:
        self.digest, self.size = "", 0

    def note(self, headers: Message) -> None:
        tag = re.fullmatch(r'(?:W/)?"?([0-9a-f]{64})"?', headers.get("X-Linked-ETag", ""))
        self.digest = self.digest or (tag[1] if tag else "")
        self.size = self.size or _number(headers.get("X-Linked-Size"))

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        self.note(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request, hops: _Hops, timeout_s: float) -> HTTPResponse:
    """Open the address within `timeout_s`, or raise `TimeoutError`.

    The time-out of a socket bounds neither looking the name up nor trying each of a host's addresses in turn, so
    the whole is done in a thread that is left behind when it takes too long.
    """
    outcome: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()

    def open_address() -> None:
        try:
            outcome.put(urllib.request.build_opener(hops).open(request, timeout=timeout_s))
        except (OSError, HTTPException) as exc:
            outcome.put(exc)

    threading.Thread(target=open_address, daemon=True).start()
    try:
        found = outcome.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError(f"timed out after {timeout_s:g} s") from None
    if isinstance(found, Exception):
        raise found
    return found


def _number(header: str | None) -> int:
    """Return a header's number, 0 where there is none."""
    return int(header) if header and header.isdecimal() else 0


def _receive(response: HTTPResponse, part: Path, start: int, size: int, progress: Progress | None) -> None:
    length = _number(response.headers.get("Content-Length"))
    total = start + length if length else size
    _require_space(part.parent, length)
    with part.open("r+b" if start else "wb") as out:
        out.seek(start)
        done = _copy(response, out, start, total, progress)
    if total and done < total:
        raise ConnectionError(f"the connection broke after {done} of {total} bytes; run it again to go on")


def _copy(response: HTTPResponse, out: BinaryIO, done: int, total: int, progress: Progress | None) -> int:
    while block := response.read1(_BLOCK):  # what has come so far: a slow line is seen to move
        out.write(block)
        done += len(block)
        if progress:
            progress(done, total)
    out.flush()
    os.fsync(out.fileno())
    return done


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise VisionError(f"{folder} has {free / 1e6:.0f} MB free, the download needs {needed / 1e6:.0f} MB")
