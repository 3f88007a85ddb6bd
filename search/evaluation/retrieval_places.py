"""Localisation seen as retrieval: was anything from the place among the first answers, as place recognition counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from search.evaluation import metrics, retrieval
from search.evaluation.localisation import Trial
from search.evaluation.retrieval import QueryResult, RetrievalReport
from search.geodesy import haversine_m

RADII_M: Final = (25.0, 100.0, 1000.0)


def evaluate_places(
    trials: Iterable[Trial],
    *,
    radii_m: Sequence[float] = RADII_M,
    ks: Sequence[int] = retrieval.DEFAULT_KS,
    name: str = "Places",
) -> RetrievalReport:
    """Return R@k within each radius: the share of photos with one from so near among the first `k` found.

    A photo counts for a radius if another placed one is that near: no search can find what is not there. Those with
    nothing near at all are `pointless`. Trials whose place was left out on purpose are not asked about. The report
    can be compared with another space's, see `comparison`.
    """
    results, pointless = [], []
    for trial in trials:
        if trial.is_absent:
            continue
        values = _recalls(trial, radii_m, ks)
        if values:
            results.append(QueryResult(str(trial.photo_id), str(trial.photo_id), values))
        else:
            pointless.append(str(trial.photo_id))
    return RetrievalReport(name, tuple(results), pointless=tuple(pointless))


def _recalls(trial: Trial, radii_m: Sequence[float], ks: Sequence[int]) -> dict[str, float]:
    distances_m = [
        float(haversine_m(trial.latitude, trial.longitude, one.latitude, one.longitude)) for one in trial.sightings
    ]
    return {
        f"R@{k} within {radius_m:g} m": metrics.recall_at_k([distance_m <= radius_m for distance_m in distances_m], k)
        for radius_m in radii_m
        if trial.nearest_m is not None and trial.nearest_m <= radius_m
        for k in ks
    }
