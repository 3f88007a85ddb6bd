"""The exact nearest neighbours of queries in a gallery that is read a part at a time, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search.evaluation.errors import EvaluationError
from search.evaluation.query_expansion import expand_queries
from search.evaluation.similarities import Neighbours, refuse_repeated

Rows: TypeAlias = NDArray[Any]
Parts: TypeAlias = Iterable[tuple[Sequence[str], Rows]]
Survivors: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


class _Engine(Protocol):
    def survivors(self, rows: Rows, least: NDArray[np.float32]) -> Survivors:
        """Return query, row and similarity of the pairs with more than the query's `least`, by query, then row."""
        ...


def search_exact(
    query_ids: Sequence[str], queries: Rows, gallery: Callable[[], Parts], *, k: int, device: str = "cpu"
) -> Neighbours:
    """Return the `k` nearest by inner product of (Q, D) queries, or all where the gallery has fewer.

    `gallery` is called for the parts of the gallery, ids and (N, D) rows, of which neither the ids nor the rows are
    all kept; equals come in the gallery's order. On `cuda` torch computes, in float32 as numpy does. Raises
    `EvaluationError`, also where an id of the queries, or of what was found, is there twice.
    """
    if len(query_ids) != len(queries) or not len(queries):
        raise EvaluationError(f"{len(query_ids)} ids for {len(queries)} queries; there must be at least one")
    refuse_repeated(query_ids, "queries")
    return _search(queries, gallery, k=k, device=device).name(query_ids)


def search_expanded(
    query_ids: Sequence[str],
    queries: Rows,
    gallery: Callable[[], Parts],
    *,
    k: int,
    expansion: int,
    alpha: float = 1.0,
    device: str = "cpu",
) -> Neighbours:
    """Search, move each query towards its nearest `expansion` ones, and search again; see `query_expansion`."""
    similarities, places = _search(queries, gallery, k=expansion, device=device).stack()
    moved = expand_queries(queries, gather_rows(gallery(), places), similarities, alpha=alpha)
    return search_exact(query_ids, moved, gallery, k=k, device=device)


def _search(queries: Rows, gallery: Callable[[], Parts], *, k: int, device: str) -> _Best:
    if k < 1:
        raise EvaluationError(f"k must be 1 or more, got {k}")
    if not np.isfinite(queries).all():
        raise EvaluationError("the features of the queries hold NaN or infinity")
    engine = _make_engine(np.ascontiguousarray(queries, dtype=np.float32), device)
    best = _Best(len(queries), k)
    for ids, rows in gallery():
        if rows.shape[1] != queries.shape[1]:
            raise EvaluationError(f"queries have {queries.shape[1]} dimensions, the gallery {rows.shape[1]}")
        if not np.isfinite(rows).all():
            raise EvaluationError(f"the features of {ids[0]} ... {ids[-1]} hold NaN or infinity")
        best.take(engine.survivors(rows, best.least()), ids)
    if not best.searched:
        raise EvaluationError("the gallery is empty")
    return best


def gather_rows(gallery: Parts, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the (…, D) float32 rows of those places in the gallery, reading it once."""
    wanted, back = np.unique(places, return_inverse=True)
    found: list[Rows] = []
    start = 0
    for _, rows in gallery:
        inside = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, start + len(rows))]
        found.append(rows[inside - start].astype(np.float32))
        start += len(rows)
    return np.concatenate(found)[back.reshape(places.shape)]


class _Best:
    """The best so far of each query: similarities and places, filled from the front, falling, equals by place."""

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._values: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * queries
        self._places: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * queries
        self._names: dict[int, str] = {}
        self.searched = 0

    def least(self) -> NDArray[np.float32]:
        """Return (Q,) what a newcomer has to exceed; an equal one comes later in the gallery and loses."""
        return np.array([values[-1] if len(values) == self._k else -np.inf for values in self._values], np.float32)

    def take(self, newcomers: Survivors, ids: Sequence[str]) -> None:
        """Keep those of the next part of the gallery that are among the best of any query."""
        queries, rows, similarities = newcomers
        borders = np.searchsorted(queries, np.arange(len(self._values) + 1))
        for query, (start, end) in enumerate(_pairs(borders)):
            if start == end:
                continue
            values = np.concatenate([self._values[query], similarities[start:end]])
            places = np.concatenate([self._places[query], rows[start:end] + self.searched])
            order = np.argsort(-values, kind="stable")[: self._k]
            self._values[query], self._places[query] = values[order], places[order]
        self._names |= {self.searched + row: ids[row] for row in np.unique(rows).tolist()}
        self.searched += len(ids)
        if len(self._names) > 2 * self._k * len(self._values):
            self._names = {place: self._names[place] for place in self._kept().tolist()}

    def stack(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return (Q, K) similarities and places in the gallery."""
        return np.stack(self._values), np.stack(self._places)

    def name(self, query_ids: Sequence[str]) -> Neighbours:
        similarities, places = self.stack()
        kept = self._kept()
        names = tuple(self._names[place] for place in kept.tolist())
        refuse_repeated(names, "gallery")
        return Neighbours(tuple(query_ids), names, similarities, np.searchsorted(kept, places), self.searched)

    def _kept(self) -> NDArray[np.int64]:
        return np.unique(np.concatenate(self._places))


class _NumpyEngine:
    def __init__(self, queries: NDArray[np.float32]) -> None:
        self._queries = queries

    def survivors(self, rows: Rows, least: NDArray[np.float32]) -> Survivors:
        similarities = self._queries @ rows.astype(np.float32).T
        queries, places = np.nonzero(similarities > least[:, None])
        return queries, places, similarities[queries, places]


class _TorchEngine:
    def __init__(self, queries: NDArray[np.float32], device: str) -> None:
        import torch

        torch.backends.cuda.matmul.allow_tf32 = False
        self._torch, self._device = torch, device
        self._queries = torch.from_numpy(queries).to(device)

    def survivors(self, rows: Rows, least: NDArray[np.float32]) -> Survivors:
        torch = self._torch
        with torch.inference_mode():
            there = torch.from_numpy(np.ascontiguousarray(rows)).to(self._device).float()
            similarities = self._queries @ there.T
            kept = similarities > torch.from_numpy(least).to(self._device)[:, None]
            queries, places = torch.nonzero(kept, as_tuple=True)
            return queries.cpu().numpy(), places.cpu().numpy(), similarities[kept].cpu().numpy()


def _make_engine(queries: NDArray[np.float32], device: str) -> _Engine:
    if device == "cpu":
        return _NumpyEngine(queries)
    try:
        return _TorchEngine(queries, device)
    except ImportError as exc:
        raise EvaluationError(f"to search on {device!r} torch is needed: pip install 'geolocator[models]'") from exc
    except (RuntimeError, AssertionError) as exc:
        raise EvaluationError(
            f"torch cannot compute on {device!r} here; use cpu, or cuda where there is a GPU"
        ) from exc


def _pairs(borders: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    return zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)
