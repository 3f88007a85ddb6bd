"""Pretrained weights on disk: where they are, how they come there, and that they are the right ones.

Files lie flat in one folder, so that a machine without a network is served by copying them there. A pinned
SHA-256 is checked after every download; a file whose digest is not known in advance is pinned when it is first
fetched. Only safetensors, `torch.load(weights_only=True)` and, for OpenAI's CLIP, TorchScript archives are read:
none of them runs Python from the file.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import pickle  # only its error is used
import queue
import shutil
import struct
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from photos.vision import configuration
from photos.vision.errors import VisionError, WeightsCorruptError, WeightsMissingError
from photos.vision.types import WeightFile

if TYPE_CHECKING:
    from torch import Tensor

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes that are there and those there will be (0 where not known)."""

UNREADABLE: Final = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError),
    *(pickle.UnpicklingError, struct.error),
)
"""What torch raises for a file that is not its own, or that holds more than plain values: anything, it seems."""

TIMEOUT_S: Final = 8.0
"""Bounds connecting and every wait for data: a closed network is told within 15 seconds of a command's start."""
_BLOCK: Final = 1 << 20


def model_dir() -> Path:
    """Return the folder of weights, the configuration's."""
    return configuration.current().model_dir


def path_of(file: WeightFile) -> Path:
    """Return where the file is, or will be."""
    return model_dir() / file.name


def url_of(file: WeightFile) -> str:
    """Return where the file is fetched from: the configuration's mirror, if there is one, else its publisher."""
    mirror = configuration.current().model_mirror
    return f"{mirror.rstrip('/')}/{urllib.parse.quote(file.name)}" if mirror else file.url


def is_present(file: WeightFile) -> bool:
    """Say whether the file is there in full; its digest is not looked at."""
    return path_of(file).is_file()


def require(file: WeightFile) -> Path:
    """Return the file's path; raises `WeightsMissingError` with what to do."""
    if not is_present(file):
        raise WeightsMissingError(f"The weights {file.name} are not in {model_dir()}. {hint(file)}")
    return path_of(file)


def hint(file: WeightFile) -> str:
    """Return what a person can do to get the file."""
    size = f" ({file.size / 1e6:.0f} MB)" if file.size else ""
    return (
        f"With a network: `manage.py models fetch {file.name}` (or `python -m photos.vision fetch`). Without: "
        f"download {url_of(file)}{size} elsewhere and copy it to {path_of(file)}."
    )


def digest_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_once(path: Path) -> str:
    """Return the same, read once per process for as long as the file is left as it is."""
    stat = path.stat()
    return _digest_once(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=64)
def _digest_once(path: Path, _changed_at: int, _size: int) -> str:
    return digest_of(path)


def pinned_digest(file: WeightFile) -> str:
    """Return the SHA-256 that the file has to have: its own `.sha256` file's, if there is one, else the publisher's.

    Nothing where neither is known. Who keeps weights of their own puts their digest there.
    """
    return _own_digest(path_of(file)) or file.sha256


def verify(file: WeightFile) -> None:
    """Read the whole file; raises `WeightsMissingError` or `WeightsCorruptError`."""
    path = require(file)
    _check(path, file, known=pinned_digest(file))


def fetch(file: WeightFile, *, progress: Progress | None = None) -> Path:
    """Download the file unless it is there, and return its path.

    A broken download is taken up where it stopped. Raises `WeightsMissingError` without a network and
    `WeightsCorruptError` when the file is not the pinned one.
    """
    path = path_of(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with _locked(part):
        if path.is_file():
            return path
        expected = _download(file, part, progress)
        try:
            digest = _check(part, file, known=expected)
        except WeightsCorruptError:
            part.unlink()
            raise
        if not pinned_digest(file):
            _pin(path).write_text(digest + "\n", encoding="ascii")
        part.replace(path)
    return path


def load_state(path: Path) -> dict[str, Tensor]:
    """Return a checkpoint's tensors on the CPU: safetensors, a TorchScript archive or a plain torch file.

    Raises `WeightsCorruptError` for a file that is none of them or holds more than tensors and plain values.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        if _is_torchscript(path):
            archive = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
            return dict(archive.state_dict())
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (*UNREADABLE, _safetensors_error()) as exc:
        raise WeightsCorruptError(f"{path} is no file of plain weights: {exc}") from exc
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict):
        raise WeightsCorruptError(f"{path} holds a {type(found).__name__}, not named weights")
    return {str(name).removeprefix("module."): one for name, one in found.items() if isinstance(one, torch.Tensor)}


def _safetensors_error() -> type[Exception]:
    from safetensors import SafetensorError

    return SafetensorError


def _is_torchscript(path: Path) -> bool:
    import zipfile

    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _check(path: Path, file: WeightFile, *, known: str) -> str:
    digest = digest_of(path)
    if known and digest != known:
        raise WeightsCorruptError(
            f"{file.name} has the SHA-256 {digest}, expected {known}; delete it and fetch it again from {url_of(file)}"
        )
    return digest


def _pin(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _own_digest(path: Path) -> str:
    """Return what the file beside says: nothing, or the digest as `sha256sum` writes it."""
    words = _pin(path).read_text(encoding="ascii").split() if _pin(path).is_file() else []
    return words[0].lower() if words else ""


@contextmanager
def _locked(part: Path) -> Iterator[None]:
    """Let one process fetch a file at a time; the second finds it there."""
    with part.with_name(part.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(file: WeightFile, part: Path, progress: Progress | None) -> str:
    """Fill `part` and return the digest that is expected: the pinned one, else the server's, else none."""
    there = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "geolocator"} | ({"Range": f"bytes={there}-"} if there else {})
    request = urllib.request.Request(url_of(file), headers=headers)  # noqa: S310 - our own table of addresses, or the operator's mirror
    try:
        with _open(request) as response:
            resumed = response.status == 206
            _receive(response, part, there if resumed else 0, file, progress)
            return pinned_digest(file) or _digest_in(response)
    except urllib.error.HTTPError as exc:
        if exc.code == 416:  # nothing left to send: all of it is there already
            return pinned_digest(file)
        raise _unreachable(file, f"the server answered {exc.code} {exc.reason}") from exc
    except urllib.error.URLError as exc:
        raise _unreachable(file, str(exc.reason)) from exc
    except (TimeoutError, ConnectionError, HTTPException) as exc:
        raise _unreachable(file, str(exc) or type(exc).__name__) from exc


def _open(request: urllib.request.Request) -> HTTPResponse:
    """Open the address within `TIMEOUT_S`, or raise `TimeoutError`.

    The time-out of a socket bounds neither looking the name up nor trying each of a host's addresses in turn, so
    the whole is done in a thread that is left behind when it takes too long.
    """
    outcome: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()

    def open_address() -> None:
        try:
            outcome.put(urllib.request.urlopen(request, timeout=TIMEOUT_S))  # noqa: S310 - as above
        except (OSError, HTTPException) as exc:
            outcome.put(exc)

    threading.Thread(target=open_address, daemon=True).start()
    try:
        found = outcome.get(timeout=TIMEOUT_S)
    except queue.Empty:
        raise TimeoutError(f"timed out after {TIMEOUT_S:g} s") from None
    if isinstance(found, Exception):
        raise found
    return found


def _digest_in(response: HTTPResponse) -> str:
    """Return the SHA-256 that a model hub gives as the entity tag of a large file, else nothing."""
    tag = (response.headers.get("X-Linked-ETag") or response.headers.get("ETag") or "").strip('W/"')
    return tag if len(tag) == 64 and all(digit in "0123456789abcdef" for digit in tag) else ""


def _unreachable(file: WeightFile, reason: str) -> WeightsMissingError:
    return WeightsMissingError(f"{file.name} could not be fetched ({reason}). {hint(file)}")


def _receive(response: HTTPResponse, part: Path, start: int, file: WeightFile, progress: Progress | None) -> None:
    length = int(response.headers.get("Content-Length") or 0)
    total = start + length if length else file.size
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
