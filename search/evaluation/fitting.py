"""What trials teach: the probability of the same place, the threshold of an answer, the radii. Pure functions.

- `fit_same_place`: logistic regression on the inliers, drawn weakly towards the prior, never downhill.
- `fit_radii`: conformal quantiles (Vovk et al. 2005; Lei et al., JASA 113:1094, 2018) of what the radius would have
  had to be, per level of evidence, each trial judged by a fit that did not see it (cross-conformal).
- `fit_independence`: whether a place's photos err each by itself or all together.
- `fit_threshold`: the least probability at which answers are hardly ever wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from search.calibration import SHIPPED_PRIOR, EvidenceLevel, PlacePrior
from search.evaluation.localisation import Outcome, Trial, conclude_trial, distance_to_truth

SAME_PLACE_M: Final = 200.0
"""A photo that shows the same thing was taken so near, most often; one of the next street was not."""

LEAST_TRIALS: Final = 50
LEAST_OF_LEVEL: Final = 30
"""With fewer answers of a level of evidence its radius is the wider of the fitted and the shipped one."""

LEAST_RADIUS_M: Final = 5.0
"""The truth itself is no better: a phone's position is hardly ever nearer."""

COVERAGE: Final = 0.9
FOLDS: Final = 5
WEAK: Final = (4.0, 1.5, 1.0)
"""Standard deviations of the intercept and the two slopes about the shipped ones."""

THRESHOLDS: Final = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.965, 0.975, 0.985, 0.99, 0.995)
INDEPENDENCES: Final = (1.0, 0.5, 0.25, 0.1, 0.0)
MOST_WRONG: Final = 0.05
"""Of the answers, so many may be wrong: outside their circle's reach and far from the place."""

MOST_INVENTED: Final = 0.01
"""Of the pictures whose place is not there, so many may be answered."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted prior with the numbers it rests on: sightings of the same place and of others, answers by level."""

    prior: PlacePrior
    trials: int
    same: int
    other: int
    by_level: dict[EvidenceLevel, int]


def fit_prior(trials: Sequence[Trial], *, start: PlacePrior = SHIPPED_PRIOR) -> Fit:
    """Return the prior that trials teach, `start` being what is believed without them.

    Raises `ValueError` under `LEAST_TRIALS` present trials: so few teach nothing.
    """
    present = [trial for trial in trials if not trial.is_absent]
    if len(present) < LEAST_TRIALS:
        raise ValueError(f"{len(present)} photos with known places teach too little; {LEAST_TRIALS} are needed")
    rows, same = same_place_rows(present)
    start = replace(start, independence=fit_independence(trials, start))
    prior = fit_same_place(present, start=start)
    held_out = _cross_conclude(trials, start)
    prior = replace(prior, threshold=fit_threshold(held_out), fitted_on=len(present))
    answered = [one for one in held_out if _would_answer(one, prior.threshold) and not one.trial.is_absent]
    prior = replace(prior, scatter_share=fit_scatter_share(answered))
    radii, by_level = fit_radii(answered, start, scatter_share=prior.scatter_share)
    prior = replace(prior, radii_m=radii)
    return Fit(prior, len(present), int(same.sum()), int(len(rows) - same.sum()), by_level)


# --- the same place? ------------------------------------------------------------------------------------


def same_place_rows(trials: Sequence[Trial]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (N, 3) rows of 1, ln(1+F), ln(1+H) of the verified sightings, and (N,) 1 where it is the same place."""
    rows, same = [], []
    for trial in trials:
        for one in trial.sightings:
            rows.append((1.0, math.log1p(one.fundamental_inliers), math.log1p(one.homography_inliers)))
            near = distance_to_truth(trial, one.latitude, one.longitude) <= SAME_PLACE_M + one.blur_m
            same.append(float(near))
    return np.array(rows, np.float64).reshape(-1, 3), np.array(same, np.float64)


def fit_same_place(trials: Sequence[Trial], *, start: PlacePrior) -> PlacePrior:
    """Return `start` with the weights that explain which sightings were of the same place.

    More inliers never count against it: the slopes are at least 0.
    """
    rows, same = same_place_rows(trials)
    if not same.any():  # nothing was found again: there is nothing to learn from
        return start
    centre = np.array(start.same_place)
    weights = minimize(
        _loss_of(rows, same, centre),
        centre,
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None), (0.0, None), (0.0, None)],
    ).x
    intercept, by_fundamental, by_homography = (float(value) for value in weights)
    return replace(start, same_place=(intercept, by_fundamental, by_homography))


def _loss_of(
    rows: NDArray[np.float64], same: NDArray[np.float64], centre: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    """Return the negative log posterior with its gradient, a function of the three weights."""
    precision = 1.0 / np.array(WEAK) ** 2

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = rows @ weights
        likelihood = np.logaddexp(0.0, logits) - same * logits
        away = weights - centre
        chances = 1.0 / (1.0 + np.exp(-np.clip(logits, -700.0, 700.0)))
        gradient = rows.T @ (chances - same) + precision * away
        return float(likelihood.sum() + 0.5 * precision @ away**2), gradient

    return loss


# --- who was not seen -----------------------------------------------------------------------------------


def _fold_priors(trials: Sequence[Trial], start: PlacePrior) -> Iterator[PlacePrior]:
    """Yield, for each fold, the weights that the photos of the other folds teach."""
    for fold in range(FOLDS):
        seen = [trial for trial in trials if trial.photo_id % FOLDS != fold and not trial.is_absent]
        yield replace(fit_same_place(seen, start=start), threshold=0.0)


def _cross_conclude(trials: Sequence[Trial], start: PlacePrior) -> list[Outcome]:
    """Conclude each trial with weights that were fitted on the photos of the other folds."""
    return [
        conclude_trial(trial, prior)
        for fold, prior in enumerate(_fold_priors(trials, start))
        for trial in trials
        if trial.photo_id % FOLDS == fold
    ]


def _would_answer(outcome: Outcome, threshold: float) -> bool:
    return outcome.placement.is_confirmed and outcome.probability >= threshold


# --- do the photos of a place err together? -------------------------------------------------------------


def fit_independence(trials: Sequence[Trial], start: PlacePrior) -> float:
    """Return the independence that makes the probabilities truest (least logarithmic loss), each photo held out.

    Where another place looks like the one asked for, all of its photos match: as independent witnesses they would
    make it certain.
    """
    totals = dict.fromkeys(INDEPENDENCES, 0.0)
    for fold, prior in enumerate(_fold_priors(trials, start)):
        for trial in (one for one in trials if one.photo_id % FOLDS == fold):  # the same votes, one after the other
            for one in INDEPENDENCES:
                totals[one] += _log_loss(conclude_trial(trial, replace(prior, independence=one)))
    return min(INDEPENDENCES, key=lambda one: totals[one])


def _log_loss(outcome: Outcome) -> float:
    """Return -ln of the probability given to what was so: the likeliest place right, or not."""
    is_right = not outcome.trial.is_absent and not _is_wrong(outcome)
    chance = outcome.probability if is_right else 1.0 - outcome.probability
    return -math.log(max(chance, 1e-6))


# --- when to answer -------------------------------------------------------------------------------------


def fit_threshold(outcomes: Sequence[Outcome]) -> float:
    """Return the least threshold with hardly a wrong answer among them; the strictest where none is strict enough.

    Each count is taken one worse than it was, as for a quantile: a few trials prove little. Of thresholds that
    answer the same photos, the strictest: what is wrong elsewhere may be surer than what was wrong here.
    """
    least = _least_threshold(outcomes)
    told = _count_answered(outcomes, least)
    return max(one for one in THRESHOLDS if one >= least and _count_answered(outcomes, one) == told)


def _count_answered(outcomes: Sequence[Outcome], threshold: float) -> int:
    return sum(_would_answer(one, threshold) for one in outcomes if not one.trial.is_absent)


def _least_threshold(outcomes: Sequence[Outcome]) -> float:
    present = [one for one in outcomes if not one.trial.is_absent]
    absent = [one for one in outcomes if one.trial.is_absent]
    for threshold in THRESHOLDS:
        answered = [one for one in present if _would_answer(one, threshold)]
        wrong = sum(_is_wrong(one) for one in answered)
        invented = sum(_would_answer(one, threshold) for one in absent)
        if wrong + 1 <= MOST_WRONG * (len(answered) + 1) and (
            not invented or invented + 1 <= MOST_INVENTED * (len(absent) + 1)
        ):
            return threshold
    return THRESHOLDS[-1]


def _is_wrong(outcome: Outcome) -> bool:
    error_m = outcome.error_m
    return error_m is None or error_m > max(SAME_PLACE_M, _needed_scatter_m(outcome)) + _blur_m(outcome)


def _needed_scatter_m(outcome: Outcome) -> float:
    return 0.0 if outcome.placement.basis is None else outcome.placement.basis.scatter_m


def _blur_m(outcome: Outcome) -> float:
    return 0.0 if outcome.placement.basis is None else outcome.placement.basis.blur_m


# --- how wide -------------------------------------------------------------------------------------------


def fit_scatter_share(answered: Sequence[Outcome]) -> float:
    """Return the share of the photos' own scatter that holds the truth nine times out of ten, at most 1.

    Photos with a GPS error, or many of them about one point, are scattered wider than the answers err: with all of
    the scatter the circle would hold the truth more often than it claims, whatever the radii.
    """
    needed = [
        max(0.0, one.error_m - _blur_m(one)) / _needed_scatter_m(one)
        for one in answered
        if one.error_m is not None and _needed_scatter_m(one) > 0.0
    ]
    share = conformal_quantile(needed, COVERAGE) if len(needed) >= LEAST_OF_LEVEL else None
    return 1.0 if share is None else min(share, 1.0)


def fit_radii(
    answered: Sequence[Outcome], start: PlacePrior, *, scatter_share: float = 1.0
) -> tuple[dict[EvidenceLevel, float], dict[EvidenceLevel, int]]:
    """Return the radius of each level of evidence, and the number of answers that it rests on."""
    scores: dict[EvidenceLevel, list[float]] = {level: [] for level in start.radii_m}
    for one in answered:
        if one.placement.basis is not None:
            scores[one.placement.basis.level].append(needed_radius_m(one, scatter_share=scatter_share))
    radii = {level: _radius_of(scores[level], start.radii_m[level]) for level in scores}
    return radii, {level: len(scores[level]) for level in scores}


def needed_radius_m(outcome: Outcome, *, scatter_share: float = 1.0) -> float:
    """Return the least level radius in metres with which the circle would have held the truth; 0 where any does."""
    basis, error_m = outcome.placement.basis, outcome.error_m
    if basis is None or error_m is None:
        raise ValueError("a trial without any place has no radius")
    return 0.0 if error_m <= scatter_share * basis.scatter_m + basis.blur_m else error_m - basis.blur_m


def _radius_of(scores: Sequence[float], shipped_m: float) -> float:
    fitted = conformal_quantile(scores, COVERAGE)
    if fitted is None:
        return shipped_m
    return max(fitted, LEAST_RADIUS_M) if len(scores) >= LEAST_OF_LEVEL else max(fitted, shipped_m)


def conformal_quantile(scores: Sequence[float], coverage: float) -> float | None:
    """Return the ceil((n + 1) coverage)-th smallest score, which the next one exceeds with 1 - coverage at most.

    None where n is too small for that to say anything.
    """
    place = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return None if place > len(scores) else float(sorted(scores)[place - 1])
