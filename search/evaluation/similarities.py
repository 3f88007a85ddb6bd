"""Similarities of queries to the gallery, in files: JSON, `.npz`, and the pickle that ILIAS's script reads.

JSON is `{query: {id: similarity}}`. The two others hold `query_ids` (Q,), `db_ids` (G,), `similarities` (Q, K) and
`ranks` (Q, K), the places in `db_ids`, best first (https://github.com/ilias-vrg/ilias, knn_search, evaluation).
"""

from __future__ import annotations

import json
import pickle  # written only
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from photos.vision.interchange.whole_files import whole_file
from search.evaluation.errors import EvaluationError
from search.evaluation.plain_pickle import read_pickle
from search.evaluation.retrieval import Ranking, rank

SUFFIXES: Final = (".json", ".npz", ".pkl")


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest of the gallery to each query: `similarities` (Q, K) and `ranks` (Q, K), places in `db_ids`.

    `db_ids` names those that are near to any query, of the `searched` ones in the gallery, in its order.
    """

    query_ids: tuple[str, ...]
    db_ids: tuple[str, ...]
    similarities: NDArray[np.float32]
    ranks: NDArray[np.int64]
    searched: int = 0

    def rankings(self) -> dict[str, Ranking]:
        """Return the ranking of each query; raises `ValueError` for a similarity that is not finite.

        Raises `EvaluationError` for a query, or an id in a ranking, that is there twice.
        """
        refuse_repeated(self.query_ids, "queries")
        pairs = zip(self.query_ids, self.similarities, self.ranks, strict=True)
        return {query: self._ranking(query, values, places) for query, values, places in pairs}

    def _ranking(self, query: str, values: NDArray[np.float32], places: NDArray[np.int64]) -> Ranking:
        names = [self.db_ids[place] for place in places]
        refuse_repeated(names, f"neighbours of {query}")
        return rank(dict(zip(names, map(float, values), strict=True)))


def refuse_repeated(ids: Sequence[str], where: str) -> None:
    """Raise `EvaluationError` for an id that comes twice: a ranking by ids would silently lose one of them."""
    if len(set(ids)) < len(ids):
        twice, times = Counter(ids).most_common(1)[0]
        raise EvaluationError(f"the {where} hold {twice} {times} times; each id must be there once")


def write_neighbours(path: Path, found: Neighbours) -> None:
    """Write the file that the name asks for, whole or not at all; raises `EvaluationError` for another suffix."""
    writers = {".json": _write_json, ".npz": _write_npz, ".pkl": _write_pickle}
    if path.suffix not in writers:
        raise EvaluationError(f"{path} has no name of a file of similarities; use {', '.join(SUFFIXES)}")
    with whole_file(path) as temporary:
        writers[path.suffix](temporary, found)


def read_rankings(path: Path) -> dict[str, Ranking]:
    """Return the ranking of each query in a file; raises `EvaluationError`."""
    readers = {".json": _read_json, ".npz": _read_npz, ".pkl": _read_pickled}
    if path.suffix not in readers:
        raise EvaluationError(f"{path} has no name of a file of similarities; use {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise EvaluationError(f"there is no file {path}")
    try:
        return readers[path.suffix](path)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, zipfile.BadZipFile) as exc:
        raise EvaluationError(f"{path} holds no similarities: {exc}") from exc


def _write_json(path: Path, found: Neighbours) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("{")
        for number, (query, values, places) in enumerate(
            zip(found.query_ids, found.similarities, found.ranks, strict=True)
        ):
            row = {found.db_ids[place]: float(value) for place, value in zip(places, values, strict=True)}
            file.write(",\n" if number else "\n")
            file.write(f"{json.dumps(query)}: {json.dumps(row, allow_nan=False)}")
        file.write("\n}\n")


def _write_npz(path: Path, found: Neighbours) -> None:
    with path.open("wb") as file:
        arrays: dict[str, Any] = _shortened(found)
        np.savez_compressed(file, **arrays)


def _write_pickle(path: Path, found: Neighbours) -> None:
    """Numpy's arrays, for ILIAS's script computes with them; its `evaluate` asks for these four names."""
    with path.open("wb") as file:
        pickle.dump(_shortened(found), file, protocol=4)


def _shortened(found: Neighbours) -> dict[str, NDArray[Any]]:
    """Name only those of the gallery that are among the nearest to any query, as ILIAS does."""
    places, ranks = np.unique(found.ranks, return_inverse=True)
    return {
        "query_ids": np.array(found.query_ids, dtype=np.str_),
        "db_ids": np.array([found.db_ids[place] for place in places], dtype=np.str_),
        "similarities": np.asarray(found.similarities, dtype=np.float32),
        "ranks": ranks.reshape(found.ranks.shape).astype(np.int64),
    }


def _read_json(path: Path) -> dict[str, Ranking]:
    found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=partial(_without_repeats, path))
    return {str(query): rank({str(one): float(value) for one, value in row.items()}) for query, row in found.items()}


def _without_repeats(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        refuse_repeated([name for name, _ in pairs], f"rankings in {path}")
    return found


def _read_npz(path: Path) -> dict[str, Ranking]:
    with np.load(path, allow_pickle=False) as found:
        return _from_arrays(dict(found))


def _read_pickled(path: Path) -> dict[str, Ranking]:
    return _from_arrays(read_pickle(path))


def _from_arrays(found: Mapping[str, Any]) -> dict[str, Ranking]:
    values = np.asarray(found["similarities"] if "similarities" in found else found["sims"], dtype=np.float32)
    ranks = np.asarray(found["ranks"], dtype=np.int64)
    queries, gallery = [str(one) for one in found["query_ids"]], [str(one) for one in found["db_ids"]]
    if values.shape != ranks.shape or values.ndim != 2 or len(values) != len(queries):
        raise ValueError(f"{len(queries)} queries, similarities {values.shape}, ranks {ranks.shape}")
    if ranks.size and not 0 <= ranks.min() <= ranks.max() < len(gallery):
        raise ValueError(f"ranks reach from {ranks.min()} to {ranks.max()}, there are {len(gallery)} ids")
    return Neighbours(tuple(queries), tuple(gallery), values, ranks).rankings()
