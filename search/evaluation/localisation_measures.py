"""What all leave-one-out trials amount to: recall, precision, the circle's honesty, risk. Pure functions.

Values for JSON: shares in 0..1 with four digits, distances in metres, None where there is nothing to measure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from search.calibration import PlacePrior
from search.evaluation.localisation import Outcome, Trial, conclude_trial, distance_to_truth

DISTANCES_M: Final = (25.0, 100.0, 1_000.0, 25_000.0)
RANKS: Final = (1, 5, 10)
BASELINE_SIMILARITY: Final = 0.75
"""The plain rule that the answers are held against: the most similar photo's place, from this similarity on."""


def measure(trials: Iterable[Trial], prior: PlacePrior) -> dict[str, Any]:
    """Return all measures as JSON values, shares in 0..1 and distances in metres; see the accuracy page for words."""
    outcomes = [conclude_trial(trial, prior) for trial in trials]
    present = [one for one in outcomes if not one.trial.is_absent]
    absent = [one for one in outcomes if one.trial.is_absent]
    return {
        "n": len(present),
        "recall": measure_recall([one.trial for one in present]),
        "answers": measure_answers(present),
        "coverage": measure_coverage(present),
        "refusals": measure_refusals(absent),
        "risk_coverage": trace_risk(present),
        "histogram": count_errors(present),
        "radius_ratios": trace_radius(present),
        "baseline": measure_baseline([one.trial for one in present]),
        "by_tag": measure_groups(present, lambda one: one.trial.tags),
        "by_year": measure_groups(present, lambda one: () if one.trial.year is None else (str(one.trial.year),)),
        "took_ms": _median([one.trial.took_ms for one in outcomes]),
    }


def measure_recall(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return R@k: the share with a photo within each distance among the first k; `findable` had one to be found."""
    table: dict[str, Any] = {}
    for limit_m in DISTANCES_M:
        findable = sum(trial.nearest_m is not None and trial.nearest_m <= limit_m for trial in trials)
        row: dict[str, Any] = {"findable": findable}
        for k in RANKS:
            hits = sum(_is_found(trial, k, limit_m) for trial in trials)
            row[f"at_{k}"] = _share(hits, len(trials))
            row[f"at_{k}_of_findable"] = _share(hits, findable)
        table[f"{limit_m:g}"] = row
    return table


def _is_found(trial: Trial, k: int, limit_m: float) -> bool:
    return any(distance_to_truth(trial, one.latitude, one.longitude) <= limit_m for one in trial.sightings[:k])


def measure_answers(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return how many were answered and how right: the precision within each distance, and the median error."""
    errors = [one.error_m for one in outcomes if one.answer is not None and one.error_m is not None]
    return {
        "answered": len(errors),
        "share": _share(len(errors), len(outcomes)),
        "median_error_m": _median(errors),
        "precision": _within(errors),
        "forced": _forced([one.error_m for one in outcomes]),
    }


def _forced(errors: Sequence[float | None]) -> dict[str, Any]:
    """What it would be like if the likeliest place were always told."""
    known = [math.inf if error is None else error for error in errors]
    finite = [error for error in known if math.isfinite(error)]
    return {"median_error_m": _median(finite), "precision": _within(known)}


def measure_coverage(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return how often the circle held the truth, claimed nine times out of ten; overall and by evidence."""
    answered = [one for one in outcomes if one.answer is not None]
    levels: dict[str, list[Outcome]] = {}
    for one in answered:
        if one.placement.basis is not None:
            levels.setdefault(one.placement.basis.level, []).append(one)
    return {
        "claimed": 0.9,
        **_held(answered),
        "by_level": {level: _held(members) for level, members in sorted(levels.items())},
    }


def _held(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    held = sum(one.is_held for one in outcomes)
    radii = [one.answer.radius_m for one in outcomes if one.answer is not None]
    return {
        "n": len(outcomes),
        "observed": _share(held, len(outcomes)),
        "interval": wilson_interval(held, len(outcomes)),
        "median_radius_m": _median(radii),
    }


def measure_refusals(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return how often a picture was refused whose place is not in the collection."""
    refused = sum(one.answer is None for one in outcomes)
    return {
        "n": len(outcomes),
        "refused": _share(refused, len(outcomes)),
        "interval": wilson_interval(refused, len(outcomes)),
    }


def measure_baseline(trials: Sequence[Trial]) -> dict[str, Any]:
    """Return how the plain rule does: the most similar photo's place wherever its similarity is over a constant."""
    errors = []
    for trial in trials:
        nearest = max(trial.sightings, key=lambda one: one.similarity, default=None)
        if nearest is not None and nearest.similarity > BASELINE_SIMILARITY:
            errors.append(distance_to_truth(trial, nearest.latitude, nearest.longitude))
    return {
        "similarity": BASELINE_SIMILARITY,
        "answered": len(errors),
        "share": _share(len(errors), len(trials)),
        "median_error_m": _median(errors),
        "precision": _within(errors),
    }


MOST_GROUPS: Final = 40


def measure_groups(outcomes: Sequence[Outcome], keys: Callable[[Outcome], Iterable[str]]) -> list[dict[str, Any]]:
    """Return the main figures of each group, the largest first; an outcome may be of several groups or none."""
    groups: dict[str, list[Outcome]] = {}
    for one in outcomes:
        for key in keys(one):
            groups.setdefault(key, []).append(one)
    largest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_GROUPS]
    return [{"name": name, "n": len(members), **_main_figures(members)} for name, members in largest]


def _main_figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    answers = measure_answers(outcomes)
    recall = measure_recall([one.trial for one in outcomes])["100"]["at_1"]
    held = sum(one.is_held for one in outcomes)
    return {
        "recall_at_1": recall,
        "share": answers["share"],
        "median_error_m": answers["median_error_m"],
        "precision": answers["precision"],
        "held": _share(held, answers["answered"]),
    }


# --- curves ---------------------------------------------------------------------------------------------

MOST_POINTS: Final = 60
RATIOS: Final = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


def trace_risk(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return the risk-coverage curve: with the surest answered first, how many of so many are wrong by a distance.

    Each point has the `share` answered, the `probability` at which that ends, and `wrong` by distance in metres.
    The places that are not told are on it, too, after those that are.
    """
    placed = [one for one in outcomes if one.error_m is not None]
    placed.sort(key=lambda one: (one.answer is None, -one.probability, one.trial.photo_id))
    errors = np.array([one.error_m for one in placed], np.float64)
    points = []
    for count in _steps(len(placed), [one.probability for one in placed]):
        wrong = {f"{limit:g}": round(float((errors[:count] > limit).mean()), 4) for limit in DISTANCES_M}
        last = placed[count - 1]
        points.append(
            {
                "share": _share(count, len(outcomes)),
                "probability": round(last.probability, 4),
                "answered": last.answer is not None,
                "wrong": wrong,
            }
        )
    return points


def _steps(count: int, probabilities: Sequence[float]) -> list[int]:
    """Return where the curve is drawn: never between equals, and not at every one of thousands."""
    ends = [
        index for index in range(1, count + 1) if index == count or probabilities[index] != probabilities[index - 1]
    ]
    if len(ends) <= MOST_POINTS:
        return ends
    chosen = np.linspace(0, len(ends) - 1, MOST_POINTS).round().astype(int)
    return [ends[index] for index in chosen.tolist()]


HISTOGRAM_EDGES_M: Final = (0.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 25_000.0, 250_000.0, math.inf)


def count_errors(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return how many errors fall in each range [from_m, to_m), told and untold ones apart; the last has no end."""
    rows = []
    for start, end in itertools.pairwise(HISTOGRAM_EDGES_M):
        inside = [one for one in outcomes if one.error_m is not None and start <= one.error_m < end]
        told = sum(one.answer is not None for one in inside)
        to_m = None if math.isinf(end) else end
        rows.append({"from_m": start, "to_m": to_m, "answered": told, "untold": len(inside) - told})
    return rows


def trace_radius(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return how many of the answers lie within so many times their radius; at 1 it should be the claimed share."""
    ratios = [
        one.error_m / one.answer.radius_m for one in outcomes if one.answer is not None and one.error_m is not None
    ]
    return [{"ratio": ratio, "share": _share(sum(value <= ratio for value in ratios), len(ratios))} for ratio in RATIOS]


# --- numbers --------------------------------------------------------------------------------------------


def wilson_interval(hits: int, count: int) -> list[float] | None:
    """Return the 95 % interval [low, high] of a share (Wilson 1927); None of nothing."""
    if not count:
        return None
    z, share = 1.959964, hits / count
    centre = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return [round(max(0.0, (centre - spread) / scale), 4), round(min(1.0, (centre + spread) / scale), 4)]


def _within(errors: Sequence[float]) -> dict[str, float | None]:
    return {f"{limit:g}": _share(sum(error <= limit for error in errors), len(errors)) for limit in DISTANCES_M}


def _share(hits: int, count: int) -> float | None:
    return round(hits / count, 4) if count else None


def _median(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 2) if values else None
