"""Files on disks and in object stores, read where they lie: S3 and what speaks its language, Google's, Azure's, HDFS.

A place in a store is a URL, `s3://bucket/folder`, that Arrow's file systems know; what else the store has to be told
stands behind it, as `?region=eu-central-1` or `?endpoint_override=minio:9000&scheme=http`. Credentials come from the
environment, the same way as for other programs.
"""

from __future__ import annotations

import io
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias, cast

from photos.vision.errors import MissingDependencyError, VisionError

Place: TypeAlias = Path | str
"""A path, or the URL of a place in a store."""

_READ_AHEAD: Final = 4 * 2**20
_MOST_OPEN: Final = 64


class StoreError(VisionError):
    """A store that is not to be reached, or does not let us read: no fault of a picture's; try again."""

    permanent = False


def to_place(text: str) -> Place:
    """Return what a command was given: a URL as it is, anything else as a path."""
    return text if "://" in text else Path(text)


def open_file(path: str) -> BinaryIO:
    """Open a file for reading from its beginning on, ahead; raises `OSError`, and `StoreError` for one in a store."""
    if "://" not in path:
        return Path(path).open("rb")
    return cast("BinaryIO", io.BufferedReader(_open(path), _READ_AHEAD))


def read_part(path: str, offset: int, size: int) -> bytes:
    """Return `size` bytes at `offset`, or as many as there are; raises as `open_file`."""
    if "://" not in path:
        with Path(path).open("rb") as file:
            file.seek(offset)
            return file.read(size)
    with _told(path):
        return bytes(_opened(path).read_at(size, offset))


def list_files(url: str, suffix: str) -> list[tuple[str, str, int]]:
    """Return the name, the URL and the bytes of the files of a store's folder, or of one file, sorted by name."""
    base, mark, options = url.partition("?")
    with _told(url):
        system, path = _file_system(url)
        (at,) = system.get_file_info([path])
        found = [at] if at.is_file else system.get_file_info(_fs().FileSelector(path))
    folder = base.rstrip("/").rpartition("/")[0] if at.is_file else base.rstrip("/")
    return sorted(
        (one.base_name, f"{folder}/{urllib.parse.quote(one.base_name)}{mark}{options}", int(one.size))
        for one in found
        if one.is_file and one.base_name.endswith(suffix)
    )


@lru_cache(maxsize=_MOST_OPEN)
def _opened(url: str) -> Any:
    """Return a file that stays open: opening one asks the store twice, reading a part of it once."""
    return _open(url)


def _open(url: str) -> Any:
    with _told(url):
        system, path = _file_system(url)
        return system.open_input_file(path)


def _file_system(url: str) -> tuple[Any, str]:
    system, path = _fs().FileSystem.from_uri(url)
    return system, path


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, NotImplementedError) as exc:
        lines = str(exc).splitlines() or [type(exc).__name__]
        raise StoreError(f"{url.partition('?')[0]} cannot be read: {lines[0]}") from exc


def _fs() -> Any:
    try:
        from pyarrow import fs
    except ImportError as exc:
        raise MissingDependencyError("object stores need pyarrow: pip install 'geolocator[research]'") from exc
    return fs
