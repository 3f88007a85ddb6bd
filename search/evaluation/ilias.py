"""ILIAS's measures: mAP@k, the oracle, and both by taxonomy, by size of the object and by clutter.

After https://github.com/ilias-vrg/ilias, evaluation: the pictures of one group are the answers, the others junk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from search.evaluation import retrieval
from search.evaluation.datasets.ilias import Ilias
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Ranking, RetrievalReport

INFINITY: Final = float("inf")
CLUTTER_GROUPS: Final = ((0, 18), (18, 33), (33, 53), (53, INFINITY))
SCALE_GROUPS: Final = (
    (0, 0.06880213760855043),
    (0.06880213760855043, 0.13526567164179104),
    (0.13526567164179104, 0.2729876723163842),
    (0.2729876723163842, INFINITY),
)


def evaluate_ilias(
    data: Ilias, rankings: Mapping[str, Ranking], *, ks: Sequence[int] = (1000,), check_ids: bool = False
) -> RetrievalReport:
    """Return the report of a run; queries of the lists without a ranking are told, not counted, as ILIAS does.

    `check_ids` refuses rankings of queries or with pictures that the lists do not name; raises `EvaluationError`.
    """
    _check(data, rankings, gallery=check_ids)
    queries = data.dataset.queries
    report = retrieval.evaluate(queries, rankings, ks=ks, name=data.dataset.name)
    first = f"mAP@{ks[0]}"
    kinds = dict.fromkeys(kind for result in report.results for kind in result.groups if kind != "query")
    breakdowns = {kind: retrieval.break_down(report.results, first, kind) for kind in kinds}
    if len({result.groups["query"] for result in report.results}) > 1:
        breakdowns["query"] = retrieval.break_down(report.results, first, "query", by_instance=False)
    for kind, groups, trait in (("scale", SCALE_GROUPS, data.scales), ("clutter", CLUTTER_GROUPS, data.clutter)):
        found = {}
        for least, below in groups:
            narrowed = retrieval.narrow(queries, _between(trait, least, below))
            part = retrieval.evaluate(narrowed, rankings, ks=ks[:1])
            if part.results:
                found[f"{least:g}-{below:g}"] = part.means[first]
        if found:
            breakdowns[kind] = found
    return replace(report, breakdowns=breakdowns)


def _between(trait: Mapping[str, float], least: float, below: float) -> Callable[[str], bool]:
    return lambda one: one in trait and least <= trait[one] < below


def _check(data: Ilias, rankings: Mapping[str, Ranking], *, gallery: bool) -> None:
    known = {query.id for query in data.dataset.queries}
    if not known & rankings.keys():
        raise EvaluationError(f"none of the {len(rankings)} rankings is of a query of {data.dataset.name}'s lists")
    if not gallery:
        return
    if unknown := sorted(rankings.keys() - known):
        raise EvaluationError(f"{len(unknown)} queries are not in the lists, for instance {unknown[0]}")
    pictures = set(data.dataset.gallery)
    for query, ranking in rankings.items():
        if strange := next((one for one in ranking.ids if one not in pictures), None):
            raise EvaluationError(f"the ranking of {query} has {strange}, which is not in the lists")
