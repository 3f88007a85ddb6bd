"""Secrets kept in the data folder, readable by their owner alone."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path


def secret_key(data_dir: Path) -> str:
    """Django's SECRET_KEY for this data folder: made once, the same for every process after that."""
    path = data_dir / "secret_key"
    for _ in range(2):
        with contextlib.suppress(FileNotFoundError):
            return path.read_text(encoding="ascii").strip()
        _create_once(path, secrets.token_urlsafe(50))
    raise FileNotFoundError(f"{path} vanished while it was being created")


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, mode 600."""
    temporary = _temporary(path, text)
    temporary.replace(path)


def _create_once(path: Path, text: str) -> None:
    """Create the file complete or not at all; the first of two racing processes wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path, text)
    try:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()


def _temporary(path: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
