"""A file fetched over HTTP into a part of it on disk, and taken up where it broke."""

from __future__ import annotations

import os
import queue
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

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
    try:
        with _open(request, timeout_s) as response:
            resumed = response.status == 206
            _receive(response, part, there if resumed else 0, size, progress)
            return _digest_in(response)
    except urllib.error.HTTPError as exc:
        if exc.code == 416:  # nothing left to send: all of it is there already
            return ""
        raise


def _open(request: urllib.request.Request, timeout_s: float) -> HTTPResponse:
    """Open the address within `timeout_s`, or raise `TimeoutError`.

    The time-out of a socket bounds neither looking the name up nor trying each of a host's addresses in turn, so
    the whole is done in a thread that is left behind when it takes too long.
    """
    outcome: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()

    def open_address() -> None:
        try:
            outcome.put(urllib.request.urlopen(request, timeout=timeout_s))  # noqa: S310 - as above
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


def _digest_in(response: HTTPResponse) -> str:
    """Return the SHA-256 that a model hub gives as the entity tag of a large file, else nothing."""
    tag = (response.headers.get("X-Linked-ETag") or response.headers.get("ETag") or "").strip('W/"')
    return tag if len(tag) == 64 and all(digit in "0123456789abcdef" for digit in tag) else ""


def _receive(response: HTTPResponse, part: Path, start: int, size: int, progress: Progress | None) -> None:
    length = int(response.headers.get("Content-Length") or 0)
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
