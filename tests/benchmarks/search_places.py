"""Synthetic places: vectors that cluster as those of photographs do, with the truth about each query.

A place belongs to a kind of scene (street, harbour, ...) and has a dozen elements (its tower, its gate); a photo is
a view of it: the whole and ten segments, seven of its elements and three of what every place has (sky, sea). All
vectors share a common part, as those of real encoders do, and most of their variance lies in few dimensions. The
same seed makes the same world; a larger world begins with the smaller one.

    cosine of two photos of     one place .80     one kind of scene .42     different kinds .24
    cosine of two views of      one element .75   common ones of one sort .85
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

DIMENSIONS: Final = 512
SEGMENTS: Final = 10
COMMON: Final = 3
CHUNK: Final = 200
"""Places that are made together."""

_LATENT, _KINDS, _ELEMENTS, _SORTS, _CITIES = 96, 60, 12, 40, 200
_SEED = 20_26

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Photos: `wholes` (N, 512), `segments` (N, 10, 512), unit norm; `places` (N,) numbers, `cities` (N,) numbers,
    `points` (N, 2) latitude and longitude in degrees, `days` (N,) since 1990."""

    places: NDArray[np.int64]
    cities: NDArray[np.int64]
    points: NDArray[np.float64]
    days: NDArray[np.int64]
    wholes: Floats
    segments: Floats

    def __len__(self) -> int:
        return len(self.places)

    def first(self, count: int) -> Views:
        return self.take(np.arange(min(count, len(self))))

    def take(self, indices: NDArray[np.int64]) -> Views:
        return Views(*(getattr(self, name)[indices] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """The photos of some places, and one further view of each place, to ask with."""

    photos: Views
    questions: Views


class World:
    """What all places share."""

    def __init__(self) -> None:
        random = np.random.default_rng(_SEED)
        strength = 1 / np.sqrt(1 + np.arange(_LATENT) / 12)
        basis, _ = np.linalg.qr(random.normal(size=(DIMENSIONS, _LATENT)))
        self._basis = (basis * strength).T.astype(np.float32)
        self._mean = self._directions(random, 1)
        self._kinds = self._directions(random, _KINDS)
        self._sorts = unit(0.55 * self._mean + 0.84 * self._directions(random, _SORTS))
        latitudes, longitudes = random.uniform(-50, 65, _CITIES), random.uniform(-180, 180, _CITIES)
        self._cities = np.stack([latitudes, longitudes], axis=1)
        shares = 1 / (1 + np.arange(_CITIES))
        self._city_shares = shares / shares.sum()

    def photos(self, count: int, *, with_segments: bool = True) -> Iterator[Chunk]:
        """Yield chunks with `count` photos in all; without their segments they come ten times as fast."""
        number = 0
        while count > 0:
            chunk = self._chunk(number, with_segments=with_segments)
            yield Chunk(chunk.photos.first(count), chunk.questions)
            count -= len(chunk.photos)
            number += 1

    def _chunk(self, number: int, *, with_segments: bool) -> Chunk:
        random = np.random.default_rng([_SEED, number])
        kinds = self._kinds[random.integers(_KINDS, size=CHUNK)]
        places = self._mix(random, self._mean, (0.3, kinds, 0.23), CHUNK)
        owned = self._mix(random, self._mean, (0.3, np.repeat(places, _ELEMENTS, axis=0), 0.25), CHUNK * _ELEMENTS)
        elements = owned.reshape(CHUNK, _ELEMENTS, DIMENSIONS)
        cities = random.choice(_CITIES, size=CHUNK, p=self._city_shares)
        points = self._cities[cities] + random.normal(scale=0.05, size=(CHUNK, 2))
        sizes = np.clip(random.lognormal(1.9, 0.9, CHUNK), 1, 200).astype(np.int64)

        def views(of: NDArray[np.int64]) -> Views:
            return Views(
                places=of + number * CHUNK,
                cities=cities[of],
                points=_on_earth(points[of] + random.normal(scale=0.0004, size=(len(of), 2))),
                days=random.integers(0, 36 * 365, len(of)),
                wholes=self._view(random, places[of], 0.8),
                segments=self._segments(random, elements, of) if with_segments else _no_segments(len(of)),
            )

        return Chunk(views(np.repeat(np.arange(CHUNK), sizes)), views(np.arange(CHUNK)))

    def _segments(self, random: np.random.Generator, elements: Floats, of: NDArray[np.int64]) -> Floats:
        seen = random.permuted(np.tile(np.arange(_ELEMENTS), (len(of), 1)), axis=1)[:, : SEGMENTS - COMMON]
        common = self._sorts[random.integers(_SORTS, size=(len(of), COMMON))]
        own = self._view(random, elements[of[:, None], seen], 0.75)
        return np.concatenate([own, self._view(random, common, 0.85)], axis=1)

    def _directions(self, random: np.random.Generator, count: int) -> Floats:
        return unit(random.standard_normal((count, _LATENT), np.float32) @ self._basis)

    def _mix(self, random: np.random.Generator, mean: Floats, more: tuple[float, Floats, float], count: int) -> Floats:
        """Unite the common part, what is shared with others, and what is one's own, by their shares of the square."""
        mean_share, shared, shared_share = more
        own = self._directions(random, count)
        rest = 1 - mean_share - shared_share
        return unit(np.sqrt(mean_share) * mean + np.sqrt(shared_share) * shared + np.sqrt(rest) * own)

    def _view(self, random: np.random.Generator, true: Floats, cosine: float) -> Floats:
        """Return views of vectors (..., 512); half of what differs lies in the few dimensions, half anywhere."""
        rows = true.reshape(-1, DIMENSIONS)
        spread = random.standard_normal(rows.shape, np.float32) / np.float32(np.sqrt(DIMENSIONS))
        noise = np.sqrt(0.5) * (self._directions(random, len(rows)) + spread)
        return unit(np.sqrt(cosine) * rows + np.sqrt(1 - cosine) * noise).reshape(true.shape)


def _no_segments(count: int) -> Floats:
    return np.empty((count, 0, DIMENSIONS), np.float32)


def unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def _on_earth(points: NDArray[np.float64]) -> NDArray[np.float64]:
    latitudes, longitudes = points.T
    return np.stack([np.clip(latitudes, -90, 90), (longitudes + 180) % 360 - 180], axis=1)
