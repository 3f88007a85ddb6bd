"""One trial: a photo asked for as a stranger's would be, without itself and all that knows its place with it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from photos.models import EmbeddingSpace, Photo, PhotoTag
from photos.querysets import Viewer
from search.answers import PlacedMatch, place_matches, visible_photos
from search.calibration import PlacePrior, read_prior
from search.evaluation.held_out import Fellows, Gallery, load_fellows, load_gallery, viewer_of
from search.evaluation.localisation import Sighting, Trial
from search.evaluation_models import EvaluationReport
from search.questions import query_of_photo
from search.services import VERIFIED, find_matches
from search.types import Filters, Query

VERIFY_LIMIT_S: Final = 60.0
"""What is measured must not hang on how busy the machine was."""


@dataclass(frozen=True, slots=True)
class TrialRunner:
    """What every trial of a report shares."""

    space: EmbeddingSpace
    viewer: Viewer
    prior: PlacePrior
    gallery: Gallery
    fellows: Fellows
    absent_m: float

    @classmethod
    def of(cls, report: EvaluationReport) -> TrialRunner:
        return cls(
            space=report.space,
            viewer=viewer_of(report.audience),
            prior=read_prior(report.space.slug),
            gallery=load_gallery(report.space, report.audience),
            fellows=load_fellows(report.audience),
            absent_m=report.settings["absent_m"],
        )

    def run(self, photo: Photo, *, is_absent: bool) -> Trial:
        began = time.perf_counter()
        latitude, longitude = _point(photo)
        left_out = self.fellows.of(photo)
        if is_absent:
            left_out |= self.gallery.around(latitude, longitude, self.absent_m)
        query = query_of_photo(photo, space=self.space, filters=Filters(exclude=tuple(sorted(left_out))))
        return Trial(
            photo_id=photo.pk,
            latitude=latitude,
            longitude=longitude,
            sightings=() if query is None else tuple(self._sightings(query)),
            nearest_m=self.gallery.nearest_m(latitude, longitude, without=left_out),
            year=photo.taken_at.year if photo.taken_at else None,
            tags=tuple(_tags(photo)),
            is_absent=is_absent,
            took_ms=round((time.perf_counter() - began) * 1000, 1),
        )

    def _sightings(self, query: Query) -> Iterator[Sighting]:
        found = find_matches(
            query,
            space=self.space,
            viewer=self.viewer,
            limit=VERIFIED,
            prior=self.prior,
            verify_limit_s=VERIFY_LIMIT_S,
        )
        photos = visible_photos(found, self.viewer)
        seen = [match for match in found if match.photo_id in photos]
        for placed in place_matches(seen, photos, space=self.space, viewer=self.viewer):
            yield _sighting(placed)


def _point(photo: Photo) -> tuple[float, float]:
    if photo.latitude is None or photo.longitude is None:
        raise ValueError(f"photo {photo.pk} has no place to be measured by")
    return photo.latitude, photo.longitude


def _sighting(placed: PlacedMatch) -> Sighting:
    verification = placed.match.verification
    return Sighting(
        photo_id=placed.match.photo_id,
        similarity=round(placed.match.global_similarity, 4),
        latitude=placed.latitude,
        longitude=placed.longitude,
        fundamental_inliers=0 if verification is None else verification.fundamental_inliers,
        homography_inliers=0 if verification is None else verification.homography_inliers,
        level="none" if verification is None else verification.level,
        blur_m=placed.blur_m,
        observation=placed.observation,
    )


def _tags(photo: Photo) -> Sequence[str]:
    return list(PhotoTag.objects.filter(photo=photo).order_by("tag__name").values_list("tag__name", flat=True))
