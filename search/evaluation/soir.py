"""SoIR's measures, named as its own where they differ from the field's (https://github.com/pihash2k/SoIR).

Pictures are told apart by instances: an answer is right that shows an instance of the query's. Its AP divides by the
relevant pictures *retrieved*, its threshold sweep counts hits at or above a similarity over all queries together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from photos.vision.interchange.soir_files import Annotation
from photos.vision.types import Box
from search.evaluation import metrics, retrieval
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Query, QueryResult, Ranking, RetrievalReport

THRESHOLDS: Final = tuple(np.arange(0.1, 1.0, 0.05).tolist())
PRECISION_AT: Final = 3


@dataclass(frozen=True, slots=True)
class ThresholdSweep:
    """Precision, recall and F1 of taking all at or above each similarity for right; SoIR's `binary_metrics`.

    `best_threshold` is the first with the highest F1, `best_f1`.
    """

    thresholds: tuple[float, ...]
    precisions: tuple[float, ...]
    recalls: tuple[float, ...]
    f1_scores: tuple[float, ...]

    @property
    def area(self) -> float:
        """The area under precision over recall, walked from the highest threshold to the lowest."""
        return abs(float(np.trapezoid(self.precisions[::-1], self.recalls[::-1])))

    @property
    def soir_area(self) -> float:
        """SoIR's `auc`: in the order of the recalls instead, of which equal ones come as numpy happens to sort."""
        order = np.argsort(self.recalls)
        return abs(float(np.trapezoid(np.array(self.precisions)[order], np.array(self.recalls)[order])))

    @property
    def best_f1(self) -> float:
        return max(self.f1_scores)

    @property
    def best_threshold(self) -> float:
        return self.thresholds[int(np.argmax(self.f1_scores))]

    @property
    def mean_precision(self) -> float:
        """The mean over the thresholds, which SoIR calls average precision."""
        return float(np.mean(self.precisions))


def to_queries(anns: Mapping[str, Annotation]) -> list[Query]:
    """Return the queries of `anns.pt`; relevant are the gallery's pictures that show an instance of the query's.

    Raises `EvaluationError` for a query without one.
    """
    showing: dict[int | str, set[str]] = {}
    for name, found in anns.items():
        if not found.is_query:
            for instance in found.instances:
                showing.setdefault(instance, set()).add(name)
    answers = {instance: frozenset(names) for instance, names in showing.items()}
    return [_query(name, found, answers) for name, found in anns.items() if found.is_query]


def evaluate_soir(
    queries: Sequence[Query], rankings: Mapping[str, Ranking], *, ks: Sequence[int] = retrieval.DEFAULT_KS
) -> RetrievalReport:
    """Return SoIR's mAP, R@k and P@3, and beside them the standard mAP.

    SoIR counts a query that nothing in the gallery answers as 0, in its own mAP, R@k and P@3; the standard mAP
    leaves such queries out. Queries without a ranking are told, not counted. Raises `EvaluationError`.
    """
    answered = [query for query in queries if query.id in rankings]
    if not answered:
        raise EvaluationError(f"none of the {len(rankings)} rankings is of one of the {len(queries)} queries")
    report = RetrievalReport("SoIR", tuple(_result(query, rankings[query.id], ks) for query in answered))
    breakdowns = {}
    if len({result.groups.get("set", "") for result in report.results}) > 1:
        breakdowns["set"] = retrieval.break_down(report.results, "SoIR mAP", "set", by_instance=False)
    return replace(
        report,
        unanswered=tuple(query.id for query in queries if query.id not in rankings),
        pointless=tuple(query.id for query in answered if not query.relevant),
        breakdowns=breakdowns,
        short=retrieval.find_short((rankings[query.id] for query in answered), ks),
    )


def sweep_thresholds(
    queries: Sequence[Query], rankings: Mapping[str, Ranking], *, thresholds: Sequence[float] = THRESHOLDS
) -> ThresholdSweep:
    """Return how right it is to take everything at or above a similarity, over all queries together."""
    judged = [retrieval.judge(query, rankings[query.id]) for query in queries if query.id in rankings]
    total = sum(len(query.relevant) for query in queries if query.id in rankings)
    right = np.concatenate([np.asarray(relevant, dtype=np.bool_) for relevant, _ in judged] or [np.zeros(0, bool)])
    values = np.concatenate([similarities for _, similarities in judged] or [np.zeros(0)])
    precisions, recalls, f1_scores = [], [], []
    for threshold in thresholds:
        taken = right[values >= threshold]
        precision = float(taken.mean()) if len(taken) else 0.0
        recall = float(taken.sum() / total) if total else 0.0
        precisions.append(precision)
        recalls.append(recall)
        f1_scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return ThresholdSweep(tuple(thresholds), tuple(precisions), tuple(recalls), tuple(f1_scores))


def _query(name: str, found: Annotation, answers: Mapping[int | str, frozenset[str]]) -> Query:
    if not found.instances:
        raise EvaluationError(f"the query {name} shows no instance")
    boxes = tuple(Box(round(x1), round(y1), round(x2 - x1), round(y2 - y1)) for x1, y1, x2, y2 in found.boxes)
    groups = {"set": found.subset} if found.subset else {}
    relevant = frozenset[str]().union(*(answers.get(one, frozenset()) for one in found.instances))
    asked_for = " ".join(map(str, found.instances))
    return Query(name, relevant, boxes=boxes, instance=asked_for, groups=groups)


def _result(query: Query, ranking: Ranking, ks: Sequence[int]) -> QueryResult:
    relevant, similarities = retrieval.judge(query, ranking)
    values = {"SoIR mAP": metrics.soir_average_precision(relevant)}
    values |= {f"R@{k}": metrics.recall_at_k(relevant, k) for k in ks}
    values[f"P@{PRECISION_AT}"] = metrics.precision_at_k(relevant, PRECISION_AT)
    if query.relevant:
        total = len(query.relevant)
        values["mAP"] = metrics.average_precision_at_k(relevant, similarities, total=total)
    return QueryResult(query.id, query.instance, values, query.groups)
