"""Do the best candidates really show what the query shows? Local features, held against one geometry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from django.conf import settings

from photos.models import LocalFeatures
from photos.vision.matching.features import from_bytes
from photos.vision.matching.verify import verify
from photos.vision.types import LocalFeatures as Features
from photos.vision.types import Verification
from search.calibration import PlacePrior

LEAST_VERIFIED: Final = 8
"""So many of the best are compared however long it takes: an answer must not hang on how busy the machine is."""


def verify_photos(
    features: Features | None, photo_ids: Sequence[int], *, prior: PlacePrior, limit_s: float | None = None
) -> dict[int, Verification]:
    """Return the verifications of the photos that have local features; points are (query, photo) pairs.

    `p_same` is that of `prior`. About 8 ms a photo, in the order given; what `limit_s` seconds (by default the
    setting `VERIFY_LIMIT_S`) do not suffice for is left out, the first `LEAST_VERIFIED` apart.
    """
    if features is None or not len(features) or not photo_ids:
        return {}
    ends_at = time.monotonic() + (settings.VERIFY_LIMIT_S if limit_s is None else limit_s)
    rows = LocalFeatures.objects.filter(photo_id__in=photo_ids).values_list("photo_id", "data")
    stored = {photo_id: bytes(data) for photo_id, data in rows}
    found: dict[int, Verification] = {}
    for photo_id in photo_ids:
        if len(found) >= LEAST_VERIFIED and time.monotonic() >= ends_at:
            break
        if photo_id in stored:
            found[photo_id] = _verify(features, stored[photo_id], prior)
    return found


def _verify(features: Features, data: bytes, prior: PlacePrior) -> Verification:
    found = verify(features, from_bytes(data))
    return replace(found, p_same=prior.p_same(found.fundamental_inliers, found.homography_inliers))
