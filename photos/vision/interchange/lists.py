"""Lists in text files: comma-separated values, gzipped or not."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from photos.vision.errors import InterchangeError


def read_rows(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line that is not empty; raises `InterchangeError`, saying what is wrong with the file.

    A byte order mark, as spreadsheets write one, is no part of the first field.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(file):
                fields = [field.strip() for field in row]
                if any(fields):
                    yield fields
    except OSError as exc:
        raise InterchangeError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (EOFError, zlib.error, UnicodeDecodeError, csv.Error) as exc:
        raise InterchangeError(f"{path} cannot be read as a list in UTF-8: {exc}") from exc
