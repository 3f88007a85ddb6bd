"""Rows of (id, vector) on their way into a file: appended batch by batch, taken up again after any kill.

A file of features cannot be written half (an HDF5 file that was open in a killed process does not open again), so
rows go to a folder beside it first: `ids.jsonl`, one JSON string a line, and `vectors.bin`, the numbers as they will
stand in the file. Vectors reach the disk before their ids, so that what the ids tell is whole. The file is made from
the folder in one go: its bytes are the same however often the way to it was cut.
"""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from photos.vision.errors import InterchangeError
from photos.vision.interchange.whole_files import whole_file

ROWS_AT_ONCE: Final = 16_384
DTYPES: Final = ("float16", "float32")

IDS_NAME: Final = "ids.jsonl"
_VECTORS: Final = "vectors.bin"
_HEAD: Final = "head.json"


class FeatureJournal(ABC):
    """Collects rows for the file `path`; a subclass says what the file looks like.

    Starts where a former run of the same `dtype` was stopped; `ids` tells what is there already. `origin` is what
    the rows are made of, in any words: rows of another origin are not added to them. Raises `InterchangeError` where
    the file is finished already, or was begun in another way.
    """

    def __init__(self, path: Path, *, dtype: str = "float16", origin: str = "") -> None:
        if dtype not in DTYPES:
            raise InterchangeError(f"features are kept as {' or '.join(DTYPES)}, not {dtype!r}")
        if path.exists():
            raise InterchangeError(f"{path} is finished already; remove it to make it anew")
        self.path, self.dtype, self._origin = path, np.dtype(dtype), origin
        self.folder = path.with_name(f"{path.name}.part")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ids: list[str] = []
        self.dimensions = self._read_dimensions()
        self._recover()
        self._id_file = (self.folder / IDS_NAME).open("ab")
        self._vector_file = (self.folder / _VECTORS).open("ab")

    def append(self, ids: Sequence[str], vectors: ArrayLike) -> None:
        """Add rows: (N,) ids and (N, D) finite numbers; they are on the disk when this returns."""
        rows = np.asarray(vectors)
        if rows.ndim != 2 or len(rows) != len(ids):
            raise InterchangeError(f"expected {len(ids)} rows of numbers for as many ids, got shape {rows.shape}")
        if not len(ids):
            return
        self._claim_dimensions(rows.shape[1])
        with np.errstate(over="ignore"):
            kept = np.ascontiguousarray(rows, dtype=self.dtype.newbyteorder("<"))
        if not np.isfinite(kept).all():
            raise InterchangeError(f"a vector among {ids[0]} ... {ids[-1]} is not finite as {self.dtype}")
        _write_down(self._vector_file, kept.tobytes())
        _write_down(self._id_file, "".join(f"{json.dumps(one)}\n" for one in ids).encode("ascii"))
        self.ids.extend(ids)

    def finish(self, *, order: Sequence[str] | None = None, sort: bool = False) -> Path:
        """Make the file of all rows and forget the folder; returns its path.

        The rows stand as they came, or sorted by their ids, or in the `order` given, which must name each once.
        Raises `InterchangeError` for an id that came twice: no ranking could tell its rows apart.
        """
        self.close()
        places = self._places(order, sort=sort)
        vectors = self._vectors()
        with whole_file(self.path) as temporary:
            self._write(temporary, [self.ids[place] for place in places], FeatureRows(vectors, places))
        del vectors
        shutil.rmtree(self.folder)
        return self.path

    @abstractmethod
    def _write(self, path: Path, ids: list[str], rows: FeatureRows) -> None:
        """Write the whole file, a part at a time; the same rows always give the same bytes."""

    def close(self) -> None:
        """Let go of the files; what was appended stays for the next run."""
        self._id_file.close()
        self._vector_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _places(self, order: Sequence[str] | None, *, sort: bool) -> NDArray[np.int64]:
        known = {one: place for place, one in enumerate(self.ids)}
        if len(known) != len(self.ids):
            twice = next(one for place, one in enumerate(self.ids) if known[one] != place)
            raise InterchangeError(f"{twice} comes more than once; remove {self.folder} and give each id once")
        if order is None:
            places = sorted(range(len(self.ids)), key=self.ids.__getitem__) if sort else range(len(self.ids))
            return np.asarray(places, dtype=np.int64)
        if set(order) != set(known) or len(order) != len(known):
            raise InterchangeError(f"the order names {len(set(order))} ids, the rows have {len(known)} different ones")
        return np.asarray([known[one] for one in order], dtype=np.int64)

    def _vectors(self) -> NDArray[Any]:
        shape = (len(self.ids), self.dimensions or 0)
        if not shape[0]:
            return np.zeros(shape, self.dtype)
        return np.memmap(self.folder / _VECTORS, dtype=self.dtype.newbyteorder("<"), mode="r", shape=shape)

    def _read_dimensions(self) -> int | None:
        head = self.folder / _HEAD
        if not head.exists():
            return None
        told = json.loads(head.read_text(encoding="ascii"))
        if told["dtype"] != self.dtype.name:
            raise InterchangeError(f"{self.folder} was begun as {told['dtype']}, not {self.dtype}; remove it first")
        if told["origin"] != self._origin:
            raise InterchangeError(f"{self.folder} was begun from {told['origin'] or 'elsewhere'}; remove it first")
        return int(told["dimensions"])

    def _claim_dimensions(self, dimensions: int) -> None:
        if self.dimensions is None:
            with whole_file(self.folder / _HEAD) as temporary:
                told = {"dtype": self.dtype.name, "dimensions": dimensions, "origin": self._origin}
                temporary.write_text(json.dumps(told), encoding="ascii")
            self.dimensions = dimensions
        elif self.dimensions != dimensions:
            raise InterchangeError(f"expected vectors of {self.dimensions} numbers in {self.path}, got {dimensions}")

    def _recover(self) -> None:
        """Read what a former run left and cut off what it was writing when it ended."""
        vectors, names = self.folder / _VECTORS, self.folder / IDS_NAME
        vectors.touch()
        names.touch()
        width = (self.dimensions or 0) * self.dtype.itemsize
        whole = vectors.stat().st_size // width if width else 0
        end = 0
        with names.open("rb") as file:
            for line in file:
                if len(self.ids) == whole or not line.endswith(b"\n"):
                    break
                self.ids.append(json.loads(line))
                end += len(line)
        os.truncate(names, end)
        os.truncate(vectors, len(self.ids) * width)


class FeatureRows:
    """Rows of (N, D) numbers in a given order, read from the disk a part at a time; `shape` is (N, D)."""

    def __init__(self, vectors: NDArray[Any], places: NDArray[np.int64]) -> None:
        self._vectors, self._places = vectors, places
        self.shape = (len(places), vectors.shape[1])

    def parts(self, size: int = ROWS_AT_ONCE) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield where in the file a part stands, and its rows."""
        for start in range(0, len(self._places), size):
            places = self._places[start : start + size]
            yield slice(start, start + len(places)), np.asarray(self._vectors[places])


def _write_down(file: Any, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
