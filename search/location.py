"""From matches with places to one place with a radius, or to none: pure functions over plain values.

1. Photos of one burst, or by one hand at one spot in one minute, err together: they are ONE observation, as strong
   as its strongest photo, however many there are (`Vote.observation` names it).
2. Observations are gathered into places: the strongest neighbourhood of 25 km first, then the next among the rest.
3. A place that k independent observations speak for with probabilities p_i is right with odds 1/prod(1 - p_i) - 1.
   Since all photos of a look-alike match together, those after the strongest count by the prior's power, up to 1.
   At most one place is right, perhaps none: P(place) = odds / (1 + sum of all places' odds).
4. Within a place, the finest of 100 m, 400 m, 1.6 km, 6.4 km, 25 km whose best neighbourhood holds three quarters
   of the evidence gives the point: the weighted geometric median.
5. The radius is the prior's quantile at that level of evidence, at least as wide as the prior's share of the
   photos' own scatter, plus what the points themselves are blurred by. The scatter is that of the neighbourhood
   alone where the evidence beside it has hardly a chance against it, by the same odds as between places.
6. Without a confirmed observation, or below the threshold, there is no answer: only alternatives.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from search.calibration import EvidenceLevel, PlacePrior
from search.geodesy import HALF_CIRCUMFERENCE_M, check_points, geometric_median, haversine_m
from search.types import LocationEstimate

SCALES_M: Final = (100.0, 400.0, 1_600.0, 6_400.0, 25_000.0)
SHARE_TO_SETTLE: Final = 0.75
"""The share of a place's evidence that a finer scale must keep."""

COVERAGE: Final = 0.9
LEAST_P_SAME_OF_SUPPORT: Final = 0.5
"""An observation less probable than this moves the odds a little, but is no support to tell of."""

LEAST_P_SAME: Final = 0.001
"""Matches less probable than this do not vote: there are always some."""

LEAST_CHANCE_BESIDE: Final = 0.01
"""Evidence beside the neighbourhood of the point, less probable than this to be right, does not widen the circle."""

CONFIRMED_FAVOUR: Final = 1e-6
"""The share by which a confirmed vote outweighs one that is as probable: it decides ties, and nothing else."""

LEAST_PROBABILITY_SHOWN: Final = 0.05
MAX_ALTERNATIVES: Final = 5


@dataclass(frozen=True, slots=True)
class Vote:
    """A placed photo that a query matched.

    Degrees WGS 84; `p_same` in 0..1 is the probability that both show the same place; `confirmed` says whether
    the verification did; `blur_m` how far the point may lie from where the photo was taken (a grid cell's
    half-diagonal, a GPS accuracy). Votes with equal `observation` err together and count once; None stands alone.
    """

    latitude: float
    longitude: float
    p_same: float
    confirmed: bool
    blur_m: float = 0.0
    observation: Hashable = None

    def __post_init__(self) -> None:
        check_points(self.latitude, self.longitude)
        if not 0.0 <= self.p_same <= 1.0:
            raise ValueError(f"p_same must be between 0 and 1, got {self.p_same}")
        if not 0.0 <= self.blur_m < np.inf:
            raise ValueError(f"blur_m must be 0 or more and finite, got {self.blur_m}")


@dataclass(frozen=True, slots=True)
class Basis:
    """What a radius is made of: the prior's for the level of evidence, or the scatter if wider, and the blur."""

    level: EvidenceLevel
    scatter_m: float
    blur_m: float

    def radius_m(self, prior: PlacePrior) -> float:
        widest_m = max(prior.radius_m(self.level), prior.scatter_share * self.scatter_m)
        return float(min(widest_m + self.blur_m, HALF_CIRCUMFERENCE_M))


@dataclass(frozen=True, slots=True)
class Placement:
    """What the votes say: the estimate or None, and the other places by falling probability.

    `basis` is of the likeliest place, told or not; `is_confirmed` says whether only the threshold could keep it back.
    """

    estimate: LocationEstimate | None
    alternatives: tuple[LocationEstimate, ...] = ()
    basis: Basis | None = None
    is_confirmed: bool = False

    @property
    def best(self) -> LocationEstimate | None:
        """The likeliest place, told or not."""
        return self.estimate or next(iter(self.alternatives), None)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    votes: tuple[Vote, ...]
    odds: float


@dataclass(frozen=True, slots=True)
class _Answer:
    estimate: LocationEstimate
    basis: Basis
    is_confirmed: bool


def estimate_location(votes: Sequence[Vote], *, prior: PlacePrior) -> Placement:
    """Return the place that the votes point to; the order of the votes does not matter."""
    places = [_Place(group, _odds(group, prior)) for group in _places(_in_fixed_order(votes))]
    total = 1.0 + sum(place.odds for place in places)
    likely = [place for place in places if place.odds / total >= LEAST_PROBABILITY_SHOWN]
    shown = [_Answer(*_estimate(place, place.odds / total, prior), _is_confirmed(place)) for place in likely]
    shown.sort(key=lambda one: (-one.estimate.probability, one.estimate.latitude, one.estimate.longitude))
    if not shown:
        return Placement(None)
    best, estimates = shown[0], [one.estimate for one in shown]
    if best.is_confirmed and best.estimate.probability >= prior.threshold:
        others = tuple(estimates[1 : 1 + MAX_ALTERNATIVES])
        return Placement(replace(best.estimate, alternatives=others), others, best.basis, is_confirmed=True)
    return Placement(None, tuple(estimates[:MAX_ALTERNATIVES]), best.basis, best.is_confirmed)


def _in_fixed_order(votes: Sequence[Vote]) -> list[Vote]:
    return sorted(votes, key=lambda vote: (-vote.p_same, vote.latitude, vote.longitude, repr(vote.observation)))


def _places(votes: Sequence[Vote]) -> list[tuple[Vote, ...]]:
    """Split the votes into neighbourhoods of the coarsest scale, the strongest first."""
    if not votes:
        return []
    distances = _distances(votes)
    left = np.arange(len(votes))
    places = []
    while len(left):
        weights = _weights([votes[index] for index in left.tolist()])
        inside = _strongest_neighbourhood(distances[np.ix_(left, left)], weights, SCALES_M[-1])
        places.append(tuple(votes[index] for index in left[inside].tolist()))
        left = left[~inside]
    return places


def _distances(votes: Sequence[Vote]) -> NDArray[np.float64]:
    """Return the (N, N) distances between the votes' points in metres."""
    latitudes = np.array([vote.latitude for vote in votes])
    longitudes = np.array([vote.longitude for vote in votes])
    return haversine_m(latitudes[:, None], longitudes[:, None], latitudes[None], longitudes[None])


def _weights(votes: Sequence[Vote]) -> NDArray[np.float64]:
    """Return each vote's p_same, shared out where several are one observation."""
    keys = [_observation(vote, index) for index, vote in enumerate(votes)]
    strongest = _strongest_by_observation(votes)
    totals: dict[Hashable, float] = dict.fromkeys(keys, 0.0)
    for key, vote in zip(keys, votes, strict=True):
        totals[key] += vote.p_same
    shares = [
        vote.p_same * strongest[key] / totals[key] if totals[key] else 0.0
        for key, vote in zip(keys, votes, strict=True)
    ]
    # of two as likely, the confirmed one has the say
    favour = np.array([1.0 + CONFIRMED_FAVOUR * vote.confirmed for vote in votes])
    return np.asarray(np.maximum(shares, 1e-12) * favour, np.float64)


def _observation(vote: Vote, index: int) -> Hashable:
    return ("alone", index) if vote.observation is None else ("shared", vote.observation)


def _strongest_by_observation(votes: Sequence[Vote]) -> dict[Hashable, float]:
    strongest: dict[Hashable, float] = {}
    for index, vote in enumerate(votes):
        key = _observation(vote, index)
        strongest[key] = max(strongest.get(key, 0.0), vote.p_same)
    return strongest


def _strongest_neighbourhood(
    distances: NDArray[np.float64], weights: NDArray[np.float64], scale_m: float
) -> NDArray[np.bool_]:
    """Return which of the (N,) points lie within `scale_m` of the one that gathers the most weight so.

    Ties go to the tighter neighbourhood, then to the earlier point: callers keep a fixed order.
    """
    near = distances <= scale_m
    gathered = np.round(near @ weights, 9)
    tightness = np.round((near * distances) @ weights, 3)
    return np.asarray(near[np.lexsort((tightness, -gathered))[0]])


def _odds(votes: Sequence[Vote], prior: PlacePrior) -> float:
    doubts = sorted(1.0 - min(p_same, prior.max_p_same) for p_same in _strongest_by_observation(votes).values())
    return 1.0 / (math.prod(doubts[:1]) * math.prod(doubts[1:]) ** prior.independence) - 1.0


def _is_confirmed(place: _Place) -> bool:
    return any(vote.confirmed for vote in place.votes)


def _estimate(place: _Place, probability: float, prior: PlacePrior) -> tuple[LocationEstimate, Basis]:
    core = _core(place.votes)
    latitude, longitude = _middle(tuple(core))
    basis = _basis(place.votes, core, (latitude, longitude), prior)
    estimate = LocationEstimate(
        latitude=latitude,
        longitude=longitude,
        radius_m=basis.radius_m(prior),
        probability=probability,
        support=max(1, sum(p_same >= LEAST_P_SAME_OF_SUPPORT for p_same in _strongest_by_observation(core).values())),
    )
    return estimate, basis


@lru_cache(maxsize=64)
def _middle(votes: tuple[Vote, ...]) -> tuple[float, float]:
    """Return the point that the votes agree on; kept, since a calibration asks for each with several priors."""
    return geometric_median([vote.latitude for vote in votes], [vote.longitude for vote in votes], _weights(votes))


def _core(votes: Sequence[Vote]) -> list[Vote]:
    """Return the votes within the finest scale that keeps enough of the place's evidence."""
    distances, weights = _distances(votes), _weights(votes)
    inside = np.ones(len(votes), np.bool_)
    for scale_m in SCALES_M:
        inside = _strongest_neighbourhood(distances, weights, scale_m)
        if weights[inside].sum() >= SHARE_TO_SETTLE * weights.sum():
            break
    return [vote for vote, kept in zip(votes, inside, strict=True) if kept]


def _basis(votes: Sequence[Vote], core: Sequence[Vote], point: tuple[float, float], prior: PlacePrior) -> Basis:
    """Return what makes the radius that holds the truth nine times out of ten where the place is right."""
    # where some are confirmed, the merely possible matches elsewhere are the chance ones that always occur
    telling = [vote for vote in _contenders(votes, core, prior) if vote.confirmed] or votes
    errors = haversine_m(point[0], point[1], [vote.latitude for vote in telling], [vote.longitude for vote in telling])
    confirmed = _strongest_by_observation([vote for vote in core if vote.confirmed])
    return Basis(
        level=prior.evidence_level(list(confirmed.values())),
        scatter_m=_weighted_quantile(errors, _weights(telling), COVERAGE),
        blur_m=max(vote.blur_m for vote in core),
    )


def _contenders(votes: Sequence[Vote], core: Sequence[Vote], prior: PlacePrior) -> Sequence[Vote]:
    """Return the votes among which the truth may be: all of the place, or the core where it outweighs the rest."""
    kept = {id(vote) for vote in core}
    beside = _odds([vote for vote in votes if id(vote) not in kept], prior)
    return votes if beside > LEAST_CHANCE_BESIDE * (_odds(core, prior) + beside) else core


def _weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], quantile: float) -> float:
    """Return the least value that holds at least `quantile` of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= quantile * weights.sum() - 1e-12
    return float(values[order][np.argmax(reached)])
