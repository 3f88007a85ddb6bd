"""A file fetched over HTTP into a part of it on disk, and taken up where it broke.

Hugging Face names a large file's SHA-256 and size, `X-Linked-ETag` and `X-Linked-Size`, where it sends on to its
storage. A plain `ETag` may be any other hash, and is none of the file.

Beside `NAME.part` lies `NAME.part.version`, which tells the version that it is a part of: the hub's digest, else a
strong entity tag or a date, which is sent as `If-Range` (RFC 9110, 13.1.5). Its second line is the whole's size.
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
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeAlias

from photos.vision.errors import VisionError

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes that are there and those there will be (0 where not known)."""

_BLOCK: Final = 1 << 20
_DIGEST: Final = re.compile("[0-9a-f]{64}")


def fill(
    part: Path, url: str, *, pinned: bool, size: int, answer_s: float, timeout_s: float, progress: Progress | None
) -> str:
    """Fetch what is missing of `part` and return the SHA-256 that the server names for the whole, or nothing.

    What is there is added to if it is of the same version; where nobody knows, only if `pinned` says that the whole
    is held against a digest anyway. `size` is the whole's, 0 where not known; `answer_s` bounds connecting until there
    is an answer, `timeout_s` every wait for data. Raises `OSError` and `HTTPException` as urllib does, and
    `VisionError` where the disk is full.
    """
    version, _size = read_version(part)
    start = part.stat().st_size if part.is_file() and (version or pinned) else 0
    answer = _ask(url, start, version, answer_s, timeout_s)
    if start and not answer.goes_on(start, version, pinned=pinned):
        start = 0
        if answer.response.status != 200:
            answer.response.close()
            answer = _ask(url, 0, "", answer_s, timeout_s)
    with answer.response:
        if answer.response.status != 416:  # nothing left to send: all of it is there already
            _receive(answer, part, start, size, progress)
    return answer.digest


def version_file(part: Path) -> Path:
    """Return the file that tells the version of a part; it goes when the part does."""
    return part.with_name(part.name + ".version")


def read_version(part: Path) -> tuple[str, int]:
    """Return the version of a part and the size of the whole; nothing and 0 where they are not known."""
    try:
        version, size, *_ = [*version_file(part).read_text(encoding="latin-1").split("\n"), ""]
    except FileNotFoundError:
        return "", 0
    return (version if version.isprintable() else ""), _number(size)  # zeros, after a power cut


@dataclass(frozen=True, slots=True)
class _Answer:
    """A server's answer, with the digest and the size of the whole where it or a hub before it names them."""

    response: HTTPResponse | urllib.error.HTTPError
    digest: str
    size: int

    @property
    def version(self) -> str:
        """What tells this version of the file from any other, or nothing."""
        tag = self.response.headers.get("ETag", "")
        return self.digest or (tag if tag.startswith('"') else self.response.headers.get("Last-Modified", ""))

    def goes_on(self, start: int, version: str, *, pinned: bool) -> bool:
        """Say whether it is the rest of a part of that version, from `start` on."""
        told = self.version or ("" if _DIGEST.fullmatch(version) else version)  # `If-Range` saw to it
        if version and told != version:
            return False
        if self.response.status == 416:
            return pinned or bool(self.digest)
        found = re.match(r"bytes (\d+)-", self.response.headers.get("Content-Range", ""))
        return self.response.status == 206 and found is not None and int(found[1]) == start


def _ask(url: str, start: int, version: str, answer_s: float, timeout_s: float) -> _Answer:
    """Ask for the file from `start` on, if it is of that version yet; there may be nothing left, a 416."""
    headers = {"User-Agent": "geolocator"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if version and not _DIGEST.fullmatch(version):
            headers["If-Range"] = version
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own table of addresses, or the operator's mirror
    hops = _Hops()
    response: HTTPResponse | urllib.error.HTTPError
    try:
        response = _open(request, hops, answer_s, timeout_s)
    except urllib.error.HTTPError as exc:
        if exc.code != 416 or not start:
            raise
        response = exc
    hops.note(response.headers)
    return _Answer(response, hops.digest, hops.size)


class _Hops(urllib.request.HTTPRedirectHandler):
    """Follow redirects, and keep what the first to name the file's digest or size says."""

    def __init__(self) -> None:
        self.digest, self.size = "", 0

    def note(self, headers: Message) -> None:
        tag = headers.get("X-Linked-ETag", "").removeprefix("W/").strip('"')
        self.digest = self.digest or (tag if _DIGEST.fullmatch(tag) else "")
        self.size = self.size or _number(headers.get("X-Linked-Size"))

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        self.note(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request, hops: _Hops, answer_s: float, timeout_s: float) -> HTTPResponse:
    """Open the address within `answer_s`, or raise `TimeoutError`.

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
        found = outcome.get(timeout=answer_s)
    except queue.Empty:
        raise TimeoutError(f"timed out after {answer_s:.2g} s") from None
    if isinstance(found, Exception):
        raise found
    return found


def _number(header: str | None) -> int:
    """Return a header's number, 0 where there is none."""
    return int(header) if header and header.isdecimal() else 0


def _receive(answer: _Answer, part: Path, start: int, size: int, progress: Progress | None) -> None:
    length = _number(answer.response.headers.get("Content-Length"))
    total = start + length if length else answer.size or size
    _require_space(part.parent, length)
    with part.open("r+b" if start else "wb") as out:
        if not start:  # the part is empty now: at no moment is it taken for one of another version
            version_file(part).write_text(f"{answer.version}\n{total}\n", encoding="latin-1")
        out.seek(start)
        done = _copy(answer.response, out, start, total, progress)
    if total and done < total:
        raise ConnectionError(f"the connection broke after {done} of {total} bytes; run it again to go on")


def _copy(
    response: HTTPResponse | urllib.error.HTTPError, out: BinaryIO, done: int, total: int, progress: Progress | None
) -> int:
    while block := response.read1(_BLOCK):  # what has come so far: a slow line is seen to move
        out.write(block)
        out.flush()  # others watch the part grow
        done += len(block)
        if progress:
            progress(done, total)
    os.fsync(out.fileno())
    return done


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise VisionError(f"{folder} has {free / 1e6:.0f} MB free, the download needs {needed / 1e6:.0f} MB")
