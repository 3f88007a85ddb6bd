"""Files of features whatever their form, told by their names: `.hdf5`, `.h5` and `.parquet`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from photos.vision.errors import InterchangeError
from photos.vision.interchange import ilias_hdf5, parquet
from photos.vision.interchange.feature_journal import ROWS_AT_ONCE, FeatureJournal

_FORMS: Final[dict[str, tuple[ModuleType, type[FeatureJournal]]]] = {
    ".hdf5": (ilias_hdf5, ilias_hdf5.FeatureFileWriter),
    ".h5": (ilias_hdf5, ilias_hdf5.FeatureFileWriter),
    ".parquet": (parquet, parquet.ParquetFeatureWriter),
}


def open_writer(path: Path, *, dtype: str = "float16", origin: str = "") -> FeatureJournal:
    """Return the resumable writer for a file of that name; raises `InterchangeError` for another one."""
    return _form(path)[1](path, dtype=dtype, origin=origin)


def iterate_features(
    paths: Path | Iterable[Path], *, rows: int = ROWS_AT_ONCE, unescape: bool = False
) -> Iterator[tuple[list[str], NDArray[Any]]]:
    """Yield ids and (N, D) features of one file, or of several one after another, at most `rows` at a time.

    Ids are as the file spells them, those of ILIAS's form in ASCII, or `unescape`d as they were before. Raises
    `InterchangeError` for another file, and where the files' vectors have different lengths.
    """
    dimensions: int | None = None
    for path in [paths] if isinstance(paths, Path) else paths:
        for ids, features in _form(path)[0].iterate_features(path, rows=rows):
            dimensions = features.shape[1] if dimensions is None else dimensions
            if features.shape[1] != dimensions:
                raise InterchangeError(f"expected vectors of {dimensions} numbers, {path} has {features.shape[1]}")
            yield (
                [ilias_hdf5.unescape_id(one) for one in ids] if unescape and path.suffix != ".parquet" else ids,
                features,
            )


def read_features(paths: Path | Iterable[Path], *, unescape: bool = False) -> tuple[list[str], NDArray[np.float32]]:
    """Return the ids and (N, D) float32 features of a file or several, all in memory; see `iterate_features`."""
    parts = list(iterate_features(paths, unescape=unescape))
    if not parts:
        return [], np.zeros((0, 0), np.float32)
    return [one for ids, _ in parts for one in ids], np.concatenate([rows for _, rows in parts]).astype(np.float32)


def _form(path: Path) -> tuple[ModuleType, type[FeatureJournal]]:
    if path.suffix.lower() not in _FORMS:
        raise InterchangeError(f"{path} has no name of a file of features; use {', '.join(_FORMS)}")
    return _FORMS[path.suffix.lower()]
