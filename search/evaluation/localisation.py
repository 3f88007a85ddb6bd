"""Leave-one-out localisation: what one held-out photo was told. Pure values and functions.

A trial keeps what its photo's matches said, not what was concluded from them: any prior can be tried on it later.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from search.calibration import PlacePrior
from search.geodesy import haversine_m
from search.location import LEAST_P_SAME, Placement, Vote, estimate_location
from search.types import LocationEstimate


@dataclass(frozen=True, slots=True)
class Sighting:
    """A placed photo that a trial found, in the order of the search; degrees WGS 84, `blur_m` as in `Vote`."""

    photo_id: int
    similarity: float
    latitude: float
    longitude: float
    fundamental_inliers: int = 0
    homography_inliers: int = 0
    level: str = "none"
    blur_m: float = 0.0
    observation: int | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One photo asked for without itself and its near-duplicates; its true place in degrees WGS 84.

    `nearest_m` is the distance to the nearest placed photo that it might have found, None without any. `is_absent`
    says that its whole place was left out of the collection: any answer is wrong then.
    """

    photo_id: int
    latitude: float
    longitude: float
    sightings: tuple[Sighting, ...] = ()
    nearest_m: float | None = None
    year: int | None = None
    tags: tuple[str, ...] = ()
    is_absent: bool = False
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial was told with one prior: `error_m` is that of the likeliest place, told or not; None without any."""

    trial: Trial
    placement: Placement
    error_m: float | None

    @property
    def answer(self) -> LocationEstimate | None:
        return self.placement.estimate

    @property
    def probability(self) -> float:
        return 0.0 if self.placement.best is None else self.placement.best.probability

    @property
    def is_held(self) -> bool:
        """Whether the answer's circle holds the true place."""
        return self.answer is not None and self.error_m is not None and self.error_m <= self.answer.radius_m


def to_record(trial: Trial) -> dict[str, Any]:
    return asdict(trial)


def from_record(record: dict[str, Any]) -> Trial:
    known = {field.name: record[field.name] for field in fields(Trial)}
    sightings = tuple(Sighting(**one) for one in known["sightings"])
    return Trial(**{**known, "sightings": sightings, "tags": tuple(known["tags"])})


def conclude_trial(trial: Trial, prior: PlacePrior) -> Outcome:
    """Tell a trial's photo what a visitor would be told, and hold it against the truth."""
    placement = estimate_location(trial_votes(trial, prior), prior=prior)
    best = placement.best
    return Outcome(trial, placement, None if best is None else distance_to_truth(trial, best.latitude, best.longitude))


def outcome_to_record(outcome: Outcome, prior: PlacePrior) -> dict[str, Any] | None:
    """Return the answer with its error and the ids of the photos it rests on; None where there was none."""
    if outcome.answer is None or outcome.error_m is None:
        return None
    return {
        "answer": [outcome.answer.latitude, outcome.answer.longitude],
        "radius_m": round(outcome.answer.radius_m, 1),
        "error_m": round(outcome.error_m, 1),
        "probability": round(outcome.answer.probability, 3),
        "is_held": outcome.is_held,
        "rests_on": sorted(one.photo_id for one in voting_sightings(outcome.trial, prior)),
    }


def trial_votes(trial: Trial, prior: PlacePrior) -> list[Vote]:
    """Return the votes of a trial's verified sightings under a prior."""
    return [
        Vote(
            latitude=one.latitude,
            longitude=one.longitude,
            p_same=_p_same(one, prior),
            confirmed=one.level == "confirmed",
            blur_m=one.blur_m,
            observation=one.observation,
        )
        for one in voting_sightings(trial, prior)
    ]


def voting_sightings(trial: Trial, prior: PlacePrior) -> list[Sighting]:
    return [one for one in trial.sightings if _p_same(one, prior) >= LEAST_P_SAME]


def _p_same(sighting: Sighting, prior: PlacePrior) -> float:
    return prior.p_same(sighting.fundamental_inliers, sighting.homography_inliers)


def distance_to_truth(trial: Trial, latitude: float, longitude: float) -> float:
    return float(haversine_m(trial.latitude, trial.longitude, latitude, longitude))
