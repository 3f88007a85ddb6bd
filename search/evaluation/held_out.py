"""The collection without one photo: which others go with it, and what is left to be found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from photos.models import EmbeddingSpace, LocationSource, LocationVisibility, Photo, PhotoEmbedding, PhotoState
from photos.querysets import PhotoQuerySet, Viewer
from photos.services.duplicates import BURST, duplicate_pairs, groups_of
from search.evaluation_models import Audience
from search.geodesy import EARTH_RADIUS_M, to_unit_vectors

TRUTHS: Final = (LocationSource.EXIF, LocationSource.MANUAL, LocationSource.IMPORT)
"""An accepted estimate is no truth to measure estimates by."""


def viewer_of(audience: str) -> Viewer:
    """Return somebody who sees what the audience sees: nobody, or a curator who is in no table."""
    return User(is_staff=True) if audience == Audience.CURATORS else None


def measurable_photos(space: EmbeddingSpace, audience: str) -> PhotoQuerySet:
    """Return the photos whose true place the audience knows exactly, described in `space`."""
    described = PhotoEmbedding.objects.filter(space=space, photo=OuterRef("pk"))
    photos = Photo.objects.all().visible_to(viewer_of(audience)).located()
    photos = photos.filter(Exists(described), state=PhotoState.READY, location_source__in=TRUTHS)
    if audience == Audience.EVERYONE:
        photos = photos.filter(location_visibility=LocationVisibility.EXACT)
    return photos


@dataclass(frozen=True, slots=True)
class Gallery:
    """The placed photos that an audience knows, by their points: `ids` (N,), `points` (N, 3) unit vectors."""

    ids: NDArray[np.int64]
    points: NDArray[np.float64]
    tree: cKDTree

    def nearest_m(self, latitude: float, longitude: float, *, without: frozenset[int]) -> float | None:
        """Return the distance to the nearest photo that is not left out; None without any."""
        count = min(len(self.ids), len(without) + 1)
        if not count:
            return None
        chords, found = self.tree.query(to_unit_vectors(latitude, longitude), k=count)
        left = [
            chord
            for chord, index in zip(np.atleast_1d(chords), np.atleast_1d(found), strict=True)
            if int(self.ids[index]) not in without
        ]
        return float(_metres(min(left))) if left else None

    def around(self, latitude: float, longitude: float, radius_m: float) -> frozenset[int]:
        """Return the ids of the photos within a radius."""
        chord = 2.0 * np.sin(min(radius_m / EARTH_RADIUS_M, np.pi) / 2.0)
        found = self.tree.query_ball_point(to_unit_vectors(latitude, longitude), chord)
        return frozenset(int(self.ids[index]) for index in found)


def load_gallery(space: EmbeddingSpace, audience: str) -> Gallery:
    described = PhotoEmbedding.objects.filter(space=space, photo=OuterRef("pk"))
    photos = Photo.objects.all().visible_to(viewer_of(audience)).filter(Exists(described)).order_by("pk")
    prefix = "public_" if audience == Audience.EVERYONE else ""
    names = (f"{prefix}latitude", f"{prefix}longitude")
    rows = list(photos.filter(**{f"{names[0]}__isnull": False}).values_list("pk", *names))
    points = to_unit_vectors([row[1] for row in rows], [row[2] for row in rows]).reshape(-1, 3)
    return Gallery(np.array([row[0] for row in rows], np.int64), points, cKDTree(points))


def _metres(chord: float) -> float:
    return float(2.0 * EARTH_RADIUS_M * np.arcsin(min(chord / 2.0, 1.0)))


@dataclass(frozen=True, slots=True)
class Fellows:
    """Which photos know a photo's place with it: its near-duplicates, copies of copies too, and its burst."""

    groups: dict[int, frozenset[int]]

    def of(self, photo: Photo) -> frozenset[int]:
        """Return the ids to leave out when `photo` is asked for, its own with them."""
        same = self.groups.get(photo.pk, frozenset({photo.pk}))
        return same | frozenset(_same_file(photo)) | frozenset(_same_minute(photo))


def load_fellows(audience: str) -> Fellows:
    """Join only photos that the audience sees: a private copy of two public ones must not shape what all are told."""
    return Fellows(dict(groups_of(duplicate_pairs(Photo.objects.all().visible_to(viewer_of(audience))))))


def _same_file(photo: Photo) -> Iterable[int]:
    return Photo.objects.filter(sha256=photo.sha256).values_list("pk", flat=True)


def _same_minute(photo: Photo) -> Iterable[int]:
    if photo.taken_at is None:
        return ()
    near = Photo.objects.filter(taken_at__gte=photo.taken_at - BURST, taken_at__lte=photo.taken_at + BURST)
    return near.filter(owner_id=photo.owner_id).values_list("pk", flat=True)
