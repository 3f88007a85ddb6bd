"""How well searches bring up what is relevant: pure functions over rankings, no files and no models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from photos.vision.types import Box
from search.evaluation import metrics
from search.evaluation.errors import EvaluationError

DEFAULT_KS: Final = (1, 5, 10)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What a search returned for one query: ids and their similarities, best first."""

    ids: tuple[str, ...]
    similarities: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Query:
    """A question with its right answers.

    `relevant` are ids of the gallery; those in `junk` count neither as right nor as wrong: they are taken out of
    the ranking. `boxes` are where in the picture the object is, in pixels; a query in words has `text` instead.
    `instance` is the object asked for; `groups` names what it belongs to, for instance `{"category": "landmark"}`.
    """

    id: str
    relevant: frozenset[str]
    junk: frozenset[str] = frozenset()
    boxes: tuple[Box, ...] = ()
    instance: str = ""
    text: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Queries and a gallery; `locate_query` and `locate_gallery` say where the picture of an id is."""

    name: str
    queries: tuple[Query, ...]
    gallery: tuple[str, ...]
    locate_query: Callable[[str], Path]
    locate_gallery: Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The measures of one query by name, in 0..1; one that is not defined for it is missing."""

    query: str
    instance: str
    values: Mapping[str, float]
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShortRankings:
    """How many rankings end before the largest `k` places, and how many places the `shortest` has."""

    count: int
    k: int
    shortest: int


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """The measures of all queries; `unanswered` had no ranking, `pointless` nothing relevant to find: neither counts.

    `breakdowns` are means of the first measure by kind and name of group. `short` rankings count, as they are.
    """

    name: str
    results: tuple[QueryResult, ...]
    unanswered: tuple[str, ...] = ()
    pointless: tuple[str, ...] = ()
    breakdowns: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    short: ShortRankings | None = None

    @property
    def means(self) -> dict[str, float]:
        """The mean of each measure over the queries that have it, in 0..1."""
        names = dict.fromkeys(name for result in self.results for name in result.values)
        return {name: mean([one.values[name] for one in self.results if name in one.values]) for name in names}


def rank(similarities: Mapping[str, float]) -> Ranking:
    """Return the ids by falling similarity, equals in the order given; raises `ValueError` for NaN and infinity."""
    values = np.fromiter(similarities.values(), dtype=np.float64, count=len(similarities))
    if not np.isfinite(values).all():
        raise ValueError("a similarity is not a finite number")
    order = np.argsort(-values, kind="stable")
    names = list(similarities)
    return Ranking(tuple(names[place] for place in order), values[order])


def judge(query: Query, ranking: Ranking) -> tuple[list[bool], NDArray[np.float64]]:
    """Return for each place, junk taken out, whether it is relevant, and its similarity.

    Raises `EvaluationError` for a ranking with an id twice.
    """
    if len(set(ranking.ids)) != len(ranking.ids):
        twice = next(one for place, one in enumerate(ranking.ids) if one in ranking.ids[:place])
        raise EvaluationError(f"the ranking of {query.id} has {twice} more than once")
    kept = [place for place, one in enumerate(ranking.ids) if one not in query.junk]
    return [ranking.ids[place] in query.relevant for place in kept], ranking.similarities[kept]


def evaluate(
    queries: Iterable[Query], rankings: Mapping[str, Ranking], *, ks: Sequence[int] = DEFAULT_KS, name: str = ""
) -> RetrievalReport:
    """Return mAP@k as ILIAS defines it, the oracle and R@k for each `k`, and mAP over all relevant items.

    Queries without a ranking are told, not counted; mAP@k of the first `k` comes first. Raises `EvaluationError`.
    """
    results, unanswered, pointless = [], [], []
    for query in queries:
        if not query.relevant - query.junk:
            pointless.append(query.id)
        elif query.id not in rankings:
            unanswered.append(query.id)
        else:
            values = measure(query, rankings[query.id], ks)
            results.append(QueryResult(query.id, query.instance or query.id, values, query.groups))
    short = find_short((rankings[result.query] for result in results), ks)
    return RetrievalReport(name, tuple(results), tuple(unanswered), tuple(pointless), short=short)


def find_short(rankings: Iterable[Ranking], ks: Sequence[int]) -> ShortRankings | None:
    """Return what there is to tell of the rankings that have fewer places than the largest `k`; None without any."""
    most = max(ks, default=0)
    lengths = [len(ranking.ids) for ranking in rankings if len(ranking.ids) < most]
    return ShortRankings(len(lengths), most, min(lengths)) if lengths else None


def measure(query: Query, ranking: Ranking, ks: Sequence[int]) -> dict[str, float]:
    """Return the measures of one query by name, in 0..1."""
    relevant, similarities = judge(query, ranking)
    total = len(query.relevant - query.junk)
    values = {f"mAP@{k}": metrics.average_precision_at_k(relevant, similarities, total=total, k=k) for k in ks}
    values["mAP"] = metrics.average_precision_at_k(relevant, similarities, total=total)
    values |= {f"oracle@{k}": metrics.oracle_at_k(relevant, total=total, k=k) for k in ks}
    return values | {f"R@{k}": metrics.recall_at_k(relevant, k) for k in ks}


def break_down(
    results: Iterable[QueryResult], measure_name: str, kind: str, *, by_instance: bool = True
) -> dict[str, float]:
    """Return the mean of a measure by the group of that kind: of each instance first, then of the instances.

    So ILIAS weighs them: an instance asked for in three pictures counts as much as one asked for in one. Without
    `by_instance` every query counts alike.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for result in results:
        if kind in result.groups and measure_name in result.values:
            instances = found.setdefault(result.groups[kind], {})
            key = result.instance if by_instance else result.query
            instances.setdefault(key, []).append(result.values[measure_name])
    return {group: mean([mean(values) for values in instances.values()]) for group, instances in sorted(found.items())}


def narrow(queries: Iterable[Query], keep: Callable[[str], bool]) -> list[Query]:
    """Return the queries with only those relevant items that `keep` says; the others become junk.

    Queries that nothing remains for are left out.
    """
    narrowed = []
    for query in queries:
        relevant = frozenset(one for one in query.relevant if keep(one))
        if relevant - query.junk:
            narrowed.append(replace(query, relevant=relevant, junk=query.junk | (query.relevant - relevant)))
    return narrowed


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN where there are none, which no report hides as 0."""
    return float(np.mean(values)) if len(values) else float("nan")


def to_json(report: RetrievalReport) -> dict[str, Any]:
    """Return the report as JSON's types, for `from_json`."""
    return {
        "name": report.name,
        "means": report.means,
        "breakdowns": {kind: dict(groups) for kind, groups in report.breakdowns.items()},
        "unanswered": list(report.unanswered),
        "pointless": list(report.pointless),
        "short": asdict(report.short) if report.short else None,
        "queries": [
            {"query": one.query, "instance": one.instance, "values": dict(one.values), "groups": dict(one.groups)}
            for one in report.results
        ],
    }


def from_json(found: Mapping[str, Any]) -> RetrievalReport:
    """Return the report that `to_json` made that of; raises `KeyError` or `TypeError` for anything else."""
    results = tuple(
        QueryResult(str(one["query"]), str(one["instance"]), dict(one["values"]), dict(one.get("groups", {})))
        for one in found["queries"]
    )
    return RetrievalReport(
        str(found["name"]),
        results,
        unanswered=tuple(map(str, found.get("unanswered", ()))),
        pointless=tuple(map(str, found.get("pointless", ()))),
        breakdowns=dict(found.get("breakdowns", {})),
        short=ShortRankings(**found["short"]) if found.get("short") else None,
    )
