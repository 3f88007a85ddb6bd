"""What the keepers have to say, out of the servers' logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .server import KEEPER_MARK, log_path


class News:
    """The keepers' lines since the last look."""

    def __init__(self, data_dir: Path) -> None:
        self._logs = {name: log_path(name, data_dir) for name in ("postgres", "redis")}
        self._read_to = {name: _size(path) for name, path in self._logs.items()}

    def read(self) -> Iterator[tuple[str, str]]:
        """Pairs of a server's name and what happened to it."""
        for name, path in self._logs.items():
            size, old = _size(path), self._read_to[name]
            if size == old:
                continue
            with path.open("rb") as log:
                log.seek(old if old < size else 0)  # smaller: a new log has begun
                text = log.read().decode(errors="replace")
            self._read_to[name] = size
            yield from ((name, line.split(KEEPER_MARK, 1)[1]) for line in text.splitlines() if KEEPER_MARK in line)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
