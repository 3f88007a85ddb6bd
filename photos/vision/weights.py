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
import pickle  # only its error is used
import struct
import time
import urllib.error
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from photos.vision import configuration
from photos.vision.download import Progress, fill, read_version, version_file
from photos.vision.errors import WeightsCorruptError, WeightsMissingError
from photos.vision.types import WeightFile

if TYPE_CHECKING:
    from torch import Tensor

UNREADABLE: Final = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError),
    *(pickle.UnpicklingError, struct.error),
)
"""What torch raises for a file that is not its own, or that holds more than plain values: anything, it seems."""

TIMEOUT_S: Final = 8.0
"""Bounds connecting and every wait for data: a closed network is told within 15 seconds of a command's start."""
_LOOK_EVERY_S: Final = 0.1
_CHECKING: Final = 8
"""So many times as long another process may take over a whole part: it reads all of it for the digest."""


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

    A broken download is taken up where it stopped; one of another process is waited for as long as it grows. Raises
    `WeightsMissingError` without a network and `WeightsCorruptError` when the file is not the pinned one.
    """
    path = path_of(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with _locked(file, part, progress) as waited_s:
        if path.is_file():
            return path
        expected = _download(file, part, progress, answer_s=max(TIMEOUT_S - waited_s, TIMEOUT_S / 4))
        try:
            digest = _check(part, file, known=expected)
        except WeightsCorruptError:
            part.unlink()
            version_file(part).unlink(missing_ok=True)
            raise
        if not pinned_digest(file):
            _pin(path).write_text(digest + "\n", encoding="ascii")
        version_file(part).unlink(missing_ok=True)
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
def _locked(file: WeightFile, part: Path, progress: Progress | None) -> Iterator[float]:
    """Let one process fetch a file at a time; the second finds it there. Gives what `_take_turn` returns."""
    with part.with_name(part.name + ".lock").open("w") as lock:
        yield _take_turn(lock, file, part, progress)


def _take_turn(lock: IO[str], file: WeightFile, part: Path, progress: Progress | None) -> float:
    """Take the lock, telling another process's progress until it lets go; return for how long that stood still.

    Raises `WeightsMissingError` where it stands still for `TIMEOUT_S`.
    """
    there, total = _size_of(part), file.size
    now = moved_at = time.monotonic()
    while not _take(lock):
        time.sleep(_LOOK_EVERY_S)
        now, before, there = time.monotonic(), there, _size_of(part)
        total = read_version(part)[1] or total
        if there != before:
            moved_at = now
            if progress and there > before:  # it is gone when it is done
                progress(there, total)
        elif now - moved_at > TIMEOUT_S * (_CHECKING if 0 < total <= there else 1):
            raise _unreachable(
                file, f"another process is fetching it and stands still at {there} bytes for {now - moved_at:.0f} s"
            )
    return now - moved_at


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _size_of(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _download(file: WeightFile, part: Path, progress: Progress | None, *, answer_s: float) -> str:
    """Fill `part` and return the digest that is expected: the pinned one, else the server's, else none."""
    pinned = pinned_digest(file)
    try:
        named = fill(
            part,
            url_of(file),
            pinned=bool(pinned),
            size=file.size,
            answer_s=answer_s,
            timeout_s=TIMEOUT_S,
            progress=progress,
        )
    except urllib.error.HTTPError as exc:
        raise _unreachable(file, f"the server answered {exc.code} {exc.reason}") from exc
    except urllib.error.URLError as exc:
        raise _unreachable(file, str(exc.reason)) from exc
    except (TimeoutError, ConnectionError, HTTPException) as exc:
        raise _unreachable(file, str(exc) or type(exc).__name__) from exc
    return pinned or named


def _unreachable(file: WeightFile, reason: str) -> WeightsMissingError:
    return WeightsMissingError(f"{file.name} could not be fetched ({reason}). {hint(file)}")
