"""Files of local descriptors: any number for each picture, one HDF5 file.

`index` (N,) variable-length ASCII ids as in the files of global features; `offsets` (N + 1,) int64: picture i has the
rows offsets[i] to offsets[i + 1] of `descriptors` (M, D) and of `places` (M, 2) float32, x and y in 0..1 of it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from photos.vision.bulk.backbones import LocalDescriptors
from photos.vision.errors import InterchangeError, MissingDependencyError
from photos.vision.interchange.ilias_hdf5 import escape_id
from photos.vision.interchange.whole_files import whole_file

ROWS_NAME: Final = "rows.jsonl"
_VECTORS: Final = "vectors.bin"
_PLACES: Final = "places.bin"
_PLACE_BYTES: Final = 8
_CHUNK_ROWS: Final = 1024


class LocalFeatureWriter:
    """Collects pictures' local descriptors beside the file `path`, resumable at any picture.

    The numbers reach the disk before the line that tells of them; what a killed run was writing is cut off.
    """

    def __init__(self, path: Path, *, dtype: str = "float16") -> None:
        if path.exists():
            raise InterchangeError(f"{path} is finished already; remove it to make it anew")
        if path.suffix not in {".hdf5", ".h5"}:
            raise InterchangeError(f"local descriptors are kept as .hdf5, not as {path.suffix or path.name!r}")
        self.path, self.dtype = path, np.dtype(dtype)
        self.folder = path.with_name(f"{path.name}.part")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dimensions: int | None = None
        self._rows: dict[str, tuple[int, int]] = {}
        self._count = 0
        self._recover()
        self._files = {name: (self.folder / name).open("ab") for name in (_VECTORS, _PLACES, ROWS_NAME)}

    @property
    def ids(self) -> list[str]:
        return list(self._rows)

    def append(self, ids: Sequence[str], found: Sequence[LocalDescriptors]) -> None:
        """Add pictures; they are on the disk when this returns."""
        lines = []
        for one, local in zip(ids, found, strict=True):
            count, dimensions = local.vectors.shape
            if self.dimensions not in {None, dimensions}:
                raise InterchangeError(
                    f"expected vectors of {self.dimensions} numbers in {self.path}, got {dimensions}"
                )
            self.dimensions = dimensions
            self._files[_VECTORS].write(np.ascontiguousarray(local.vectors, self.dtype).tobytes())
            self._files[_PLACES].write(np.ascontiguousarray(local.places, np.float32).tobytes())
            self._rows[one] = (self._count, count)
            self._count += count
            lines.append(json.dumps([one, count, dimensions]) + "\n")
        self._files[ROWS_NAME].write("".join(lines).encode("ascii"))
        for name in (_VECTORS, _PLACES, ROWS_NAME):
            self._files[name].flush()
            os.fsync(self._files[name].fileno())

    def finish(self, *, order: Sequence[str]) -> Path:
        """Make the file, its pictures in `order`, and forget the folder; returns its path."""
        self.close()
        with whole_file(self.path) as temporary:
            self._write(temporary, order)
        shutil.rmtree(self.folder)
        return self.path

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _write(self, path: Path, order: Sequence[str]) -> None:
        h5py = _h5py()
        counts = np.array([self._rows[one][1] for one in order], np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        dimensions = self.dimensions or 0
        vectors = self._mapped(_VECTORS, self.dtype, dimensions)
        places = self._mapped(_PLACES, np.dtype(np.float32), 2)
        with h5py.File(path, "w") as file:
            index = [escape_id(one) for one in order]
            file.create_dataset("index", (len(index),), dtype=h5py.string_dtype(encoding="ascii"))[...] = index
            file.create_dataset("offsets", data=offsets)
            whole = int(offsets[-1])
            chunk = (min(whole, _CHUNK_ROWS), dimensions) if whole else None
            descriptors = file.create_dataset("descriptors", (whole, dimensions), dtype=self.dtype, chunks=chunk)
            where = file.create_dataset("places", (whole, 2), dtype=np.float32)
            for begin, one in zip(offsets[:-1].tolist(), order, strict=True):
                start, count = self._rows[one]
                descriptors[begin : begin + count] = vectors[start : start + count]
                where[begin : begin + count] = places[start : start + count]

    def _mapped(self, name: str, dtype: np.dtype[Any], columns: int) -> NDArray[Any]:
        if not self._count:
            return np.zeros((0, columns), dtype)
        return np.memmap(self.folder / name, dtype=dtype, mode="r", shape=(self._count, columns))

    def _recover(self) -> None:
        for name in (_VECTORS, _PLACES, ROWS_NAME):
            (self.folder / name).touch()
        vector_bytes, end = (self.folder / _VECTORS).stat().st_size, 0
        place_bytes = (self.folder / _PLACES).stat().st_size
        with (self.folder / ROWS_NAME).open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                one, count, dimensions = json.loads(line)
                after = self._count + count
                if after * dimensions * self.dtype.itemsize > vector_bytes or after * _PLACE_BYTES > place_bytes:
                    break
                self._rows[one], self._count, self.dimensions = (self._count, count), after, dimensions
                end += len(line)
        os.truncate(self.folder / ROWS_NAME, end)
        os.truncate(self.folder / _VECTORS, self._count * (self.dimensions or 0) * self.dtype.itemsize)
        os.truncate(self.folder / _PLACES, self._count * _PLACE_BYTES)


def iterate_local_features(path: Path) -> Iterator[tuple[str, LocalDescriptors]]:
    """Yield each picture's id, as the index spells it, and its descriptors; raises `InterchangeError`."""
    h5py = _h5py()
    if not path.is_file() or not h5py.is_hdf5(path):
        raise InterchangeError(f"{path} is no HDF5 file")
    with h5py.File(path, "r") as file:
        if missing := {"index", "offsets", "descriptors", "places"} - set(file):
            raise InterchangeError(f"{path} holds no local descriptors: it has no {', '.join(sorted(missing))}")
        offsets = file["offsets"][:]
        for number, name in enumerate(file["index"]):
            rows = slice(int(offsets[number]), int(offsets[number + 1]))
            vectors = np.asarray(file["descriptors"][rows], np.float32)
            yield name.decode("ascii"), LocalDescriptors(vectors, np.asarray(file["places"][rows], np.float32))


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as exc:
        raise MissingDependencyError("HDF5 files need h5py: pip install 'geolocator[research]'") from exc
    return h5py
