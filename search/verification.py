"""Do the best candidates really show what the query shows? Local features, held against one geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from photos.models import LocalFeatures
from photos.vision.matching.features import from_bytes
from photos.vision.matching.verify import verify
from photos.vision.types import LocalFeatures as Features
from photos.vision.types import Verification
from search.calibration import PlacePrior


def verify_photos(features: Features | None, photo_ids: Sequence[int], *, prior: PlacePrior) -> dict[int, Verification]:
    """Return the verifications of the photos that have local features; points are (query, photo) pairs.

    `p_same` is that of `prior`. About 7 ms a photo.
    """
    if features is None or not len(features):
        return {}
    stored = LocalFeatures.objects.filter(photo_id__in=photo_ids).values_list("photo_id", "data")
    return {photo_id: _verify(features, bytes(data), prior) for photo_id, data in stored}


def _verify(features: Features, data: bytes, prior: PlacePrior) -> Verification:
    found = verify(features, from_bytes(data))
    return replace(found, p_same=prior.p_same(found.fundamental_inliers, found.homography_inliers))
