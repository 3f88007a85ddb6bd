"""File locks that the kernel gives back when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_POLL_S = 0.05


class FileLock:
    """One `flock` on one file, shared or exclusive. The file stays; only the lock comes and goes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        return self._handle is not None

    def acquire(self, *, shared: bool = False, timeout_s: float = 0.0) -> bool:
        """Take the lock within `timeout_s` seconds, or answer False. Zero tries once."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + timeout_s
        while not _try_flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                os.close(handle)
                return False
            time.sleep(_POLL_S)
        self._handle = handle
        return True

    def release(self) -> None:
        """Give the lock back; does nothing where it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def is_free(self) -> bool:
        """Whether nobody holds the lock at this moment."""
        if not self.acquire():
            return False
        self.release()
        return True

    def file_is_gone(self) -> bool:
        """Whether the locked file was deleted or replaced, so that others can no longer see the lock."""
        if self._handle is None:
            return True
        try:
            return self.path.stat().st_ino != os.fstat(self._handle).st_ino
        except FileNotFoundError:
            return True


def _try_flock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
