"""Files of features as ILIAS writes and reads them.

One HDF5 file for each partition, or for each group of tars of the distractors: `index`, (N,) variable-length ASCII
strings, and `features`, (N, D) float16, in the same order (https://github.com/ilias-vrg/ilias, feature_extraction).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from photos.vision.errors import InterchangeError, MissingDependencyError
from photos.vision.interchange.feature_journal import ROWS_AT_ONCE, FeatureJournal, FeatureRows

Partition: TypeAlias = Literal["image_queries", "text_queries", "positives", "distractors", "uned"]
PARTITIONS: Final[tuple[str, ...]] = get_args(Partition)

_CHUNK_ROWS: Final = 1024
_CODE: Final = re.compile(r"#U([0-9a-f]{4})")


def feature_file_name(partition: str, shard: int | None = None, *, name: str = "features") -> str:
    """Return ILIAS's file name: `features_positives.hdf5`, or `features_distractors_00007.hdf5` for a shard.

    A shard is numbered by the first of its tars divided by the tars of one file.
    """
    if partition not in PARTITIONS:
        raise InterchangeError(f"unknown partition {partition!r}; use one of {', '.join(PARTITIONS)}")
    return f"{name}_{partition}.hdf5" if shard is None else f"{name}_{partition}_{shard:05d}.hdf5"


def escape_id(name: str) -> str:
    r"""Return an id as ILIAS's index spells it, in ASCII: `café.jpg` is `caf#U00e9.jpg`.

    Its rule takes Python's escapes as bytes print them, which doubles backslashes; characters beyond the basic
    plane stay `\\U0001f600`. ASCII without a backslash is as it was.
    """
    printed = name.encode("unicode-escape").decode("ascii").replace("\\", "\\\\")
    if "'" in name and '"' in name:
        printed = printed.replace("'", "\\'")
    return printed.replace("\\\\u", "#U").replace("\\\\x", "#U00")


def unescape_id(text: str) -> str:
    """Return the id that `escape_id` spelled so (a name that held `#U` and four digits itself comes out changed).

    One that it cannot have spelled comes out as it is.
    """
    plain = text.replace("\\'", "'").replace("\\\\", "\\")
    try:
        plain = plain.encode("ascii").decode("unicode-escape") if "\\" in plain else plain
    except UnicodeError:
        return text
    return _CODE.sub(lambda found: chr(int(found[1], 16)), plain)


class FeatureFileWriter(FeatureJournal):
    """Writes one such file, resumable at any row; see `FeatureJournal`.

    `compression` is gzip's level; 0, as ILIAS has it, keeps the bytes as they are.
    """

    def __init__(self, path: Path, *, dtype: str = "float16", origin: str = "", compression: int = 0) -> None:
        self.compression = compression
        super().__init__(path, dtype=dtype, origin=origin)

    def _write(self, path: Path, ids: list[str], rows: FeatureRows) -> None:
        h5py = _h5py()
        how: dict[str, Any] = {}
        if ids:
            chunk = (min(len(ids), _CHUNK_ROWS), rows.shape[1])
            how = {"chunks": chunk, "compression": "gzip", "compression_opts": self.compression}
        with h5py.File(path, "w") as file:
            index = file.create_dataset("index", (len(ids),), dtype=h5py.string_dtype(encoding="ascii"))
            features = file.create_dataset("features", rows.shape, dtype=self.dtype, **how)
            for place, part in rows.parts():
                index[place] = [escape_id(one) for one in ids[place]]
                features[place] = part


def read_features(path: Path) -> tuple[list[str], NDArray[Any]]:
    """Return the ids, as the index spells them, and the (N, D) features of a file, all in memory."""
    parts = list(iterate_features(path))
    ids = [one for names, _ in parts for one in names]
    return ids, np.concatenate([rows for _, rows in parts]) if parts else np.zeros(feature_shape(path), np.float16)


def iterate_features(path: Path, *, rows: int = ROWS_AT_ONCE) -> Iterator[tuple[list[str], NDArray[Any]]]:
    """Yield ids and (N, D) features of a file, `rows` at a time; raises `InterchangeError` for another file."""
    with _opened(path) as file:
        index, features = file["index"], file["features"]
        for start in range(0, len(index), rows):
            names = index[start : start + rows]
            yield [_text(one, path) for one in names], features[start : start + rows]


def feature_shape(path: Path) -> tuple[int, int]:
    """Return how many rows of how many numbers a file has, without reading them."""
    with _opened(path) as file:
        count, dimensions = file["features"].shape
        return int(count), int(dimensions)


def _opened(path: Path) -> Any:
    h5py = _h5py()
    if not path.is_file():
        raise InterchangeError(f"there is no file {path}")
    if not h5py.is_hdf5(path):
        raise InterchangeError(f"{path} is no HDF5 file")
    try:
        file = h5py.File(path, "r")
    except OSError as exc:
        raise InterchangeError(f"{path} is broken: {exc}") from exc
    if complaint := _complaint(file):
        file.close()
        raise InterchangeError(f"{path} holds no features: {complaint}")
    return file


def _complaint(file: Any) -> str:
    if missing := {"index", "features"} - set(file):
        return f"it has no {' and no '.join(sorted(missing))}, but {', '.join(sorted(file)) or 'nothing'}"
    index, features = file["index"], file["features"]
    if not hasattr(index, "shape") or not hasattr(features, "shape"):
        return "its index and features are groups, not datasets"
    if index.ndim != 1 or features.ndim != 2 or len(features) != len(index):
        return f"an index of shape {index.shape} and features of shape {features.shape}"
    if features.dtype.kind not in "fiu":
        return f"features of type {features.dtype} are no numbers"
    return ""


def _text(name: Any, path: Path) -> str:
    """Return an id; others than ILIAS may have written it in UTF-8."""
    try:
        return name.decode("utf-8") if isinstance(name, bytes) else str(name)
    except UnicodeDecodeError as exc:
        raise InterchangeError(f"{path}: the id {name!r} is neither ASCII nor UTF-8") from exc


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as exc:
        raise MissingDependencyError("HDF5 files need h5py: pip install 'geolocator[research]'") from exc
    return h5py
