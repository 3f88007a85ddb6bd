"""A collection that exists only in numbers, with known truth: places, photos about them, and what matching says.

Inliers are drawn as they were measured on real photos (docs/decisions/0005): a second look at a place is confirmed
in about half the cases, chance gives 8 to 12 inliers, and look-alikes (the same kind of building in another street)
reach the verge of confirmation now and then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photos.vision.matching.verify import level_of
from search.evaluation.localisation import Sighting, Trial
from search.geodesy import destination, haversine_m

VERIFIED = 20


@dataclass(frozen=True)
class Collection:
    """Photos by number: the place that each shows, where it was taken, and where it is told to have been taken."""

    place: np.ndarray
    truth: np.ndarray
    told: np.ndarray


def make_collection(
    rng: np.random.Generator, *, places: int = 40, views: int = 8, gps_sigma_m: float = 8.0, spread_m: float = 30.0
) -> Collection:
    """Return `places * views` photos (of a place each stands off by `spread_m`), latitude and longitude in degrees.

    The places lie in three towns, one of them on the antimeridian; the GPS errs by `gps_sigma_m` east and north.
    """
    towns = np.array([(41.0, -40.0), (-17.0, 179.99), (68.0, 20.0)])[rng.integers(0, 3, places)]
    middles = np.stack(
        destination(towns[:, 0], towns[:, 1], rng.uniform(0, 360, places), rng.uniform(0, 4_000, places)), 1
    )
    place = np.repeat(np.arange(places), views)
    off = np.abs(rng.normal(0, spread_m, len(place))) + 5.0
    truth = np.stack(destination(middles[place, 0], middles[place, 1], rng.uniform(0, 360, len(place)), off), 1)
    error = gps_sigma_m * np.sqrt(rng.exponential(2.0, len(place)))  # Rayleigh: a Gaussian east and one north
    told = np.stack(destination(truth[:, 0], truth[:, 1], rng.uniform(0, 360, len(place)), error), 1)
    return Collection(place, truth, told)


def make_trials(rng: np.random.Generator, found: Collection, *, absent: bool = False) -> list[Trial]:
    """Return a trial for each photo; `absent` ones with all photos of its place left out."""
    return [_trial(rng, found, number, absent=absent) for number in range(len(found.place))]


def _trial(rng: np.random.Generator, found: Collection, number: int, *, absent: bool) -> Trial:
    same = found.place == found.place[number]
    others = np.flatnonzero(~same if absent else np.arange(len(same)) != number)
    likeness = rng.normal(0.45, 0.1, len(others)) + 0.25 * same[others]
    chosen = others[np.argsort(-likeness, kind="stable")][:VERIFIED]
    latitude, longitude = (float(value) for value in found.truth[number])
    distances = haversine_m(latitude, longitude, found.told[others, 0], found.told[others, 1])
    return Trial(
        photo_id=number,
        latitude=latitude,
        longitude=longitude,
        sightings=tuple(_sighting(rng, found, int(one), is_same=bool(same[one])) for one in chosen),
        nearest_m=float(distances.min()),
        year=2020 + number % 4,
        is_absent=absent,
    )


def _sighting(rng: np.random.Generator, found: Collection, number: int, *, is_same: bool) -> Sighting:
    fundamental, homography = _inliers(rng, is_same=is_same)
    return Sighting(
        photo_id=number,
        similarity=0.6,
        latitude=float(found.told[number, 0]),
        longitude=float(found.told[number, 1]),
        fundamental_inliers=fundamental,
        homography_inliers=homography,
        level=level_of(fundamental, homography),
        observation=number,
    )


def _inliers(rng: np.random.Generator, *, is_same: bool) -> tuple[int, int]:
    if is_same and rng.random() < 0.65:
        fundamental = int(rng.lognormal(3.6, 0.7))
        return fundamental, int(fundamental * rng.uniform(0.25, 0.7))
    if rng.random() < 0.02:  # a look-alike
        return int(rng.normal(20, 4)), int(rng.normal(11, 2.5))
    fundamental = int(max(0, rng.normal(9, 2.5)))
    return fundamental, int(max(0, rng.normal(6, 2)))
