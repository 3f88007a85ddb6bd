"""How much a segment tells about the place: a pure function over plain values.

The sky over one town looks like the sky over another, a gate like itself. A segment's nearest segments in other
photos say which it is: where they lie together on the map it is distinctive, where they are scattered it is not.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

NEIGHBOURS: Final = 10
"""So many nearest photos are asked where they are."""

LEAST_NEIGHBOURS: Final = 4
"""With fewer placed ones nothing can be said."""

NEUTRAL: Final = 0.5
"""The weight of a segment of which nothing can be said."""

LEAST: Final = 0.1
"""The sky is still a little evidence: no weight is lower."""

REACH_M: Final = 1000.0
SOFTNESS: Final = 0.1
"""How much less similar (cosine) a neighbour must be to count 1/e of the nearest."""


def weigh(similarities: ArrayLike, distances_m: ArrayLike) -> float:
    """Return the weight in `LEAST`..1 of a segment from its (K,) nearest segments of other photos.

    `similarities` are cosines, `distances_m` how far their photos were taken from the segment's own. The weight
    is the share of the likeness that lies near: a neighbour counts `exp((s - max s) / SOFTNESS)`, and is near by
    `exp(-distance / REACH_M)`. `NEUTRAL` below `LEAST_NEIGHBOURS`. Raises `ValueError` for what is no list of
    finite numbers.
    """
    likeness = np.asarray(similarities, np.float64)
    distances = np.asarray(distances_m, np.float64)
    if likeness.ndim != 1 or likeness.shape != distances.shape:
        raise ValueError(f"expected as many similarities as distances, got {likeness.shape} and {distances.shape}")
    if not (np.isfinite(likeness).all() and np.isfinite(distances).all() and (distances >= 0).all()):
        raise ValueError("similarities must be finite, distances finite and 0 or more")
    if len(likeness) < LEAST_NEIGHBOURS:
        return NEUTRAL
    share = np.exp((likeness - likeness.max()) / SOFTNESS)
    agreement = float(share @ np.exp(-distances / REACH_M) / share.sum())
    return LEAST + (1.0 - LEAST) * agreement
