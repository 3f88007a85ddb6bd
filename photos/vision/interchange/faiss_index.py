"""A FAISS index of files of features, with their ids beside it, one a line, in the order of the index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from photos.vision.errors import InterchangeError, MissingDependencyError
from photos.vision.interchange.feature_files import iterate_features
from photos.vision.interchange.whole_files import whole_file

TRAINING_ROWS: Final = 100_000


def export_index(features: Iterable[Path], path: Path, *, factory: str = "Flat") -> int:
    """Write an index by inner product of all rows, and `<path>.ids`; returns how many rows.

    `factory` is FAISS's own description, for instance `Flat`, `HNSW32` or `IVF256,PQ32`; one that needs training is
    trained on the first 100,000 rows. The features are read a part at a time. Raises `InterchangeError`.
    """
    faiss = _faiss()
    sources = list(features)
    index: Any = None
    seen: set[str] = set()
    with whole_file(ids_path(path)) as names_path, names_path.open("w", encoding="utf-8") as names:
        for ids, rows in iterate_features(sources):
            _check(ids, rows, seen)
            if index is None:
                index = _empty_index(faiss, factory, sources, rows.shape[1])
            index.add(np.ascontiguousarray(rows, dtype=np.float32))
            names.writelines(f"{json.dumps(one, ensure_ascii=False)}\n" for one in ids)
        if index is None:
            raise InterchangeError(
                f"no rows in {', '.join(map(str, sources)) or 'no files'}: there is nothing to index"
            )
        with whole_file(path) as temporary:
            faiss.write_index(index, str(temporary))
    return int(index.ntotal)


def read_index(path: Path) -> tuple[Any, list[str]]:
    """Return the index and the ids of its rows; raises `InterchangeError` where they do not belong together."""
    if not path.is_file() or not ids_path(path).is_file():
        raise InterchangeError(f"{path} and {ids_path(path)} must both be there")
    try:
        index = _faiss().read_index(str(path))
    except RuntimeError as exc:
        raise InterchangeError(f"{path} is no FAISS index") from exc
    with ids_path(path).open(encoding="utf-8") as file:
        ids = [json.loads(line) for line in file]
    if len(ids) != index.ntotal:
        raise InterchangeError(f"{path} has {index.ntotal} rows, {ids_path(path)} {len(ids)}")
    return index, ids


def ids_path(path: Path) -> Path:
    """Return where the ids of an index stand."""
    return path.with_name(f"{path.name}.ids")


def _check(ids: Sequence[str], rows: Any, seen: set[str]) -> None:
    """Raise `InterchangeError` for numbers that have no similarity, and for an id that two rows have."""
    for one, is_finite in zip(ids, np.isfinite(rows).all(axis=1).tolist(), strict=True):
        if not is_finite:
            raise InterchangeError(f"the vector of {one!r} is not finite")
        if one in seen:
            raise InterchangeError(f"the id {one!r} comes twice: no search could tell its rows apart")
        seen.add(one)


def _empty_index(faiss: Any, factory: str, sources: Sequence[Path], dimensions: int) -> Any:
    try:
        index = faiss.index_factory(dimensions, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as exc:
        raise InterchangeError(f"FAISS knows no index {factory!r} for {dimensions} dimensions") from exc
    if not index.is_trained:
        _train(index, _sample(sources), factory)
    return index


def _train(index: Any, rows: Any, factory: str) -> None:
    try:
        index.train(rows)
    except RuntimeError as exc:
        why = str(exc).rpartition("failed: ")[2].strip()
        raise InterchangeError(f"FAISS cannot train {factory!r} on {len(rows)} rows: {why}") from exc


def _sample(sources: Sequence[Path]) -> Any:
    parts, count = [], 0
    for _, rows in iterate_features(sources):
        parts.append(rows[: TRAINING_ROWS - count].astype(np.float32))
        count += len(parts[-1])
        if count >= TRAINING_ROWS:
            break
    return np.concatenate(parts)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as exc:
        raise MissingDependencyError("FAISS indexes need faiss: pip install 'geolocator[research]'") from exc
    return faiss
