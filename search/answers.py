"""From ranked matches to the answer for one viewer: the place or none, every source, and the verdict.

Everything here is told from what the viewer may see and know now, also for matches that were found earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from psycopg import sql

from photos import vectors
from photos.exif import ExifFacts
from photos.models import EmbeddingSpace, Photo
from photos.models.photo import GRID_DEGREES
from photos.querysets import Viewer, knows_exactly, location_for
from search.calibration import PlacePrior
from search.geodesy import haversine_m
from search.location import LEAST_P_SAME, Placement, Vote, estimate_location
from search.observations import Witness, group_observations
from search.sources import all_sources
from search.types import Match, SearchResult


def conclude(
    matches: Sequence[Match],
    *,
    space: EmbeddingSpace,
    viewer: Viewer,
    prior: PlacePrior,
    limit: int,
    exif: ExifFacts | None = None,
    subject: Photo | None = None,
    is_blank: bool = False,
    timings_ms: Mapping[str, float] | None = None,
) -> SearchResult:
    """Return the answer that `viewer` gets; matches that they may not see (any more) play no part in it.

    `exif` is that of the asker's file, `subject` the stored photo that was asked about instead of one.
    """
    photos = visible_photos(matches, viewer)
    seen = [match for match in matches if match.photo_id in photos]
    placement = estimate_location(_votes(seen, photos, space, viewer), prior=prior)
    verdict = tell_verdict(placement, has_matches=bool(seen), is_blank=is_blank)
    return SearchResult(
        matches=tuple(seen[:limit]),
        space=space.slug,
        location=placement.estimate,
        alternatives=placement.alternatives,
        sources=tuple(all_sources(placement, verdict=verdict, viewer=viewer, exif=exif, subject=subject)),
        verdict=verdict,
        timings_ms=timings_ms or {},
    )


def visible_photos(matches: Iterable[Match], viewer: Viewer) -> dict[int, Photo]:
    """Return the matches' photos that `viewer` may see, by id."""
    photos: QuerySet[Photo] = Photo.objects.visible_to(viewer)
    return photos.in_bulk([match.photo_id for match in matches])


# --- votes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlacedMatch:
    """A match with the place that the viewer may know, in degrees; `blur_m` and `observation` as in `Vote`."""

    match: Match
    latitude: float
    longitude: float
    blur_m: float
    observation: int


def place_matches(
    matches: Iterable[Match], photos: Mapping[int, Photo], *, space: EmbeddingSpace, viewer: Viewer
) -> list[PlacedMatch]:
    """Return the matches whose place `viewer` may know, in their order; `photos` are theirs by id."""
    placed = [(match, photos[match.photo_id], location_for(photos[match.photo_id], viewer)) for match in matches]
    known = [(match, photo, point) for match, photo, point in placed if point is not None]
    observations = group_observations(_witnesses([photo for _, photo, _ in known], space))
    return [
        PlacedMatch(match, point[0], point[1], _blur_m(photo, point, viewer), observations[photo.pk])
        for match, photo, point in known
    ]


def _votes(matches: Sequence[Match], photos: Mapping[int, Photo], space: EmbeddingSpace, viewer: Viewer) -> list[Vote]:
    """Return the votes of the verified matches whose place the viewer may know."""
    verified = {match.photo_id: match.verification for match in matches if match.verification is not None}
    likely = [match for match in matches if match.photo_id in verified]
    likely = [match for match in likely if verified[match.photo_id].p_same >= LEAST_P_SAME]
    return [
        Vote(
            latitude=one.latitude,
            longitude=one.longitude,
            p_same=verified[one.match.photo_id].p_same,
            confirmed=verified[one.match.photo_id].level == "confirmed",
            blur_m=one.blur_m,
            observation=one.observation,
        )
        for one in place_matches(likely, photos, space=space, viewer=viewer)
    ]


def _blur_m(photo: Photo, point: tuple[float, float], viewer: Viewer) -> float:
    """Return how far the photo may be from its point: its accuracy, or half its grid cell's diagonal."""
    if knows_exactly(photo, viewer):
        return photo.location_accuracy_m or 0.0
    half = GRID_DEGREES / 2
    towards_pole = point[0] - half if point[0] > 0 else point[0] + half  # the cell's wider side
    return float(haversine_m(point[0], point[1], towards_pole, point[1] + half))


def _witnesses(photos: Sequence[Photo], space: EmbeddingSpace) -> list[Witness]:
    found = _vectors([photo.pk for photo in photos], space)
    return [Witness(photo.pk, photo.owner_id, photo.taken_at, photo.sha256, found.get(photo.pk)) for photo in photos]


def _vectors(photo_ids: Sequence[int], space: EmbeddingSpace) -> dict[int, vectors.Vector]:
    if not photo_ids:
        return {}
    statement = sql.SQL(
        "SELECT e.photo_id, {vector} FROM photos_photoembedding e WHERE e.space_id = {space} AND e.photo_id = ANY(%s)"
    ).format(vector=vectors.vector_bytes_sql(), space=sql.Literal(space.pk))
    with vectors.binary_cursor() as cursor:
        rows = cursor.execute(statement, [list(photo_ids)]).fetchall()
    return {photo_id: np.asarray(vectors.from_bytes(data), np.float32) for photo_id, data in rows}


# --- words ----------------------------------------------------------------------------------------------


def tell_verdict(placement: Placement, *, has_matches: bool, is_blank: bool = False) -> str:
    """Return the answer in one sentence, in the reader's language."""
    found = placement.estimate
    if found is not None:
        return _("Probably at %(latitude)s, %(longitude)s, within %(radius)s, 9 times out of 10.") % {
            "latitude": f"{found.latitude:.5f}",
            "longitude": f"{found.longitude:.5f}",
            "radius": tell_distance(found.radius_m),
        }
    if is_blank:
        return _("I cannot place this photo; it shows nothing to compare.")
    if has_matches:
        return _("I cannot place this photo; these look similar, unverified.")
    return _("I cannot place this photo; nothing in the collection looks like it.")


def tell_distance(distance_m: float) -> str:
    """Return metres in two significant digits, as metres or kilometres, never less than they are."""
    unit, scale = ("m", 1.0) if distance_m < 1000 else ("km", 1000.0)
    amount = max(distance_m / scale, 0.1)
    step = 10.0 ** (np.floor(np.log10(amount)) - 1)
    return f"{np.ceil(np.round(amount / step, 6)) * step:g} {unit}"
