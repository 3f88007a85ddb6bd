"""Files that survive a power cut: written aside, synced, then renamed into place."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

PARTIAL_SUFFIX = ".part"
"""Of files that are still being written; one that is old was left by a crash."""


class DurableFileStorage(FileSystemStorage):
    """The file system, with the promise that a name that exists has all its bytes on the disk."""

    def _save(self, name: str, content: File[bytes]) -> str:
        target = Path(self.path(name))
        self._make_folder(target.parent)
        partial = target.with_name(f".{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
        try:
            self._write(partial, content)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(target.parent)
        return name

    def _make_folder(self, folder: Path) -> None:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)

    def _write(self, path: Path, content: File[bytes]) -> None:
        mode = self.file_permissions_mode if self.file_permissions_mode is not None else 0o640
        with path.open("xb") as file:
            path.chmod(mode)
            for chunk in content.chunks():
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
