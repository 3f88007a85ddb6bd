"""Two runs compared on the same queries: a paired bootstrap (Efron 1979; Sakai 2006 for retrieval)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import RetrievalReport

SAMPLES: Final = 10_000
_AT_ONCE: Final = 500

Unit: TypeAlias = Literal["query", "instance"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The measure's means of both runs and their difference, `second - first`, in 0..1.

    `low` and `high` bound the difference with the given `confidence`; `p_value`, two-sided, is how often queries
    drawn anew show the other sign or none. `units` were drawn, of which `queries` belong to them.
    """

    measure: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    confidence: float
    p_value: float
    queries: int
    units: int
    better: int
    worse: int


def compare(
    first: RetrievalReport,
    second: RetrievalReport,
    *,
    measure: str | None = None,
    unit: Unit = "query",
    samples: int = SAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two runs on a measure, by default the first that both have, over the queries that both answered.

    `unit` "instance" draws all queries of an instance together, which is right where several pictures ask for the
    same one. Raises `EvaluationError` where the runs have nothing in common.
    """
    if samples < 1 or not 0 < confidence < 1:
        raise EvaluationError(f"samples must be 1 or more, confidence between 0 and 1, got {samples}, {confidence}")
    name = measure or _shared_measure(first, second)
    theirs = {one.query: one.values[name] for one in second.results if name in one.values}
    shared = [one for one in first.results if name in one.values and one.query in theirs]
    if not shared:
        raise EvaluationError(
            f"the runs share no query with {name!r}; the first has {', '.join(first.means) or 'none'}"
        )
    before = np.array([one.values[name] for one in shared])
    after = np.array([theirs[one.query] for one in shared])
    sums, counts = _sum_by_unit([one.query if unit == "query" else one.instance for one in shared], after - before)
    drawn = _draw_means(sums, counts, samples=samples, seed=seed)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Comparison(
        measure=name,
        first=float(before.mean()),
        second=float(after.mean()),
        difference=float((after - before).mean()),
        low=float(low),
        high=float(high),
        confidence=confidence,
        p_value=_p_value(drawn),
        queries=len(shared),
        units=len(sums),
        better=int((after > before).sum()),
        worse=int((after < before).sum()),
    )


def _shared_measure(first: RetrievalReport, second: RetrievalReport) -> str:
    for name in first.means:
        if name in second.means:
            return name
    raise EvaluationError(f"the runs share no measure: {', '.join(first.means)} and {', '.join(second.means)}")


def _sum_by_unit(names: list[str], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _, units = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    return np.bincount(units, weights=values).astype(np.float64), np.bincount(units).astype(np.float64)


def _draw_means(
    sums: NDArray[np.float64], counts: NDArray[np.float64], *, samples: int, seed: int
) -> NDArray[np.float64]:
    """Return the mean over queries of `samples` draws of units with replacement."""
    random = np.random.default_rng(seed)
    drawn = []
    for start in range(0, samples, _AT_ONCE):
        picks = random.integers(len(sums), size=(min(_AT_ONCE, samples - start), len(sums)))
        drawn.append(sums[picks].sum(axis=1) / counts[picks].sum(axis=1))
    return np.concatenate(drawn)


def _p_value(drawn: NDArray[np.float64]) -> float:
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(drawn) + 1))
