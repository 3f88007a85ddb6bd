"""Which data sets there are, and how each is read and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from search.evaluation import metrics, retrieval
from search.evaluation.datasets.google_landmarks import USAGES, read_google_landmarks
from search.evaluation.datasets.ilias import read_ilias
from search.evaluation.datasets.instre import read_instre
from search.evaluation.datasets.revisited import NAMES, PROTOCOLS, read_revisited
from search.evaluation.datasets.voxdet_soir import SUBSETS, read_voxdet_soir
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Dataset, QueryResult, Ranking, RetrievalReport


@dataclass(frozen=True, slots=True)
class KnownDataset:
    """A reader of a folder and one of its `subsets`, and the places that its measures count."""

    read: Callable[[Path, str], Dataset]
    subsets: tuple[str, ...] = ()
    ks: tuple[int, ...] = retrieval.DEFAULT_KS
    revisited: bool = False


def _read_revisited(name: str, folder: Path, protocol: str) -> Dataset:
    return read_revisited(folder, name=name, protocol=protocol or "medium")


DATASETS: Final[dict[str, KnownDataset]] = {
    "google-landmarks": KnownDataset(
        lambda folder, usage: read_google_landmarks(folder, usage=usage or "all"), USAGES, ks=(100,)
    ),
    "ilias": KnownDataset(
        lambda folder, distractors: read_ilias(folder, distractors=bool(distractors)).dataset, ("distractors",), (1000,)
    ),
    "instre": KnownDataset(lambda folder, _: read_instre(folder)),
    **{name: KnownDataset(partial(_read_revisited, name), tuple(PROTOCOLS), revisited=True) for name in NAMES},
    "voxdet-soir": KnownDataset(lambda folder, subset: read_voxdet_soir(folder, subset=subset or "all"), SUBSETS),
}


def read_dataset(name: str, folder: Path, *, subset: str = "") -> Dataset:
    """Read a data set by its name; raises `EvaluationError` for an unknown name or subset, or a folder without it."""
    if name not in DATASETS:
        raise EvaluationError(f"unknown data set {name!r}; known: {', '.join(DATASETS)}")
    known = DATASETS[name]
    if subset and subset not in known.subsets:
        raise EvaluationError(f"{name} has no subset {subset!r}; it has {', '.join(known.subsets) or 'none'}")
    return known.read(folder, subset)


def evaluate_dataset(
    name: str, data: Dataset, rankings: Mapping[str, Ranking], *, ks: Sequence[int] = ()
) -> RetrievalReport:
    """Return the report of a run, with revisited Oxford's and Paris's own measures first where they belong.

    Raises `EvaluationError` where no ranking is of one of the queries.
    """
    places = ks or DATASETS[name].ks
    report = retrieval.evaluate(data.queries, rankings, ks=places, name=data.name)
    if not report.results:
        raise EvaluationError(f"none of the {len(rankings)} rankings is of one of the {len(data.queries)} queries")
    if not DATASETS[name].revisited:
        return report
    queries = {query.id: query for query in data.queries}

    def with_own(result: QueryResult) -> QueryResult:
        query = queries[result.query]
        relevant, _ = retrieval.judge(query, rankings[query.id])
        total = len(query.relevant)
        own = {"mAP by trapezes": metrics.trapezoidal_average_precision(relevant, total)}
        own |= {f"mP@{k}": metrics.revisited_precision_at_k(relevant, k, total=total) for k in places}
        return replace(result, values=own | dict(result.values))

    return replace(report, results=tuple(map(with_own, report.results)))
