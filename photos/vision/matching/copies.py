"""Are two pictures the same photo: re-encoded, resized, lightly cropped? Geometry tells it from a second shot.

A copy is moved and scaled, and nothing else: no turn, no perspective, and the points that both have agree to a
pixel almost everywhere. A second shot from the next step already bends.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.vision.matching.features import WORKING_SIDE
from photos.vision.types import LocalFeatures, Verification

LEAST_INLIERS: Final = 25
LEAST_SHARE: Final = 0.22
"""Of the picture with fewer features, so many must be found in the other one, on one homography: copies at a quarter
of the size kept .28 and more of 32 real photos, other shots of the same place at most .19."""

LEAST_AGREEING: Final = 0.85
"""Of the verified pairs, so many must keep to the one shift and scale."""

TOLERANCE_PX: Final = 2.5
MAX_TURN_DEG: Final = 0.7
LEAST_OVERLAP: Final = 0.6
"""A lightly cropped copy still shows so much of the area that both frames cover together."""


def is_same_picture(first: LocalFeatures, second: LocalFeatures, verification: Verification) -> bool:
    """Return whether `verification` of the two says that one is a copy of the other."""
    inliers = verification.homography_inliers
    if inliers < LEAST_INLIERS or inliers < LEAST_SHARE * min(len(first), len(second)):
        return False
    points = np.asarray(verification.points, np.float64).reshape(-1, 4)
    left, right = points[:, :2] * _working_scale(first), points[:, 2:] * _working_scale(second)
    matrix, agreeing = cv2.estimateAffinePartial2D(
        left, right, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE_PX, maxIters=500, confidence=0.999
    )
    if matrix is None or agreeing.mean() < LEAST_AGREEING:
        return False
    turn = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return abs(turn) <= MAX_TURN_DEG and overlap(matrix, _working_size(first), _working_size(second)) >= LEAST_OVERLAP


def overlap(
    matrix: NDArray[np.floating | np.integer], first: tuple[float, float], second: tuple[float, float]
) -> float:
    """Return the share 0..1 of both frames' union that both cover; `matrix` (2, 3) maps the first into the second.

    Sizes are (width, height); the turn is taken as none.
    """
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    x, y = float(matrix[0, 2]), float(matrix[1, 2])
    width, height = first[0] * scale, first[1] * scale
    across = max(0.0, min(x + width, second[0]) - max(x, 0.0))
    down = max(0.0, min(y + height, second[1]) - max(y, 0.0))
    shared = across * down
    return shared / (width * height + second[0] * second[1] - shared)


def _working_scale(features: LocalFeatures) -> float:
    return min(1.0, WORKING_SIDE / max(features.image_size))


def _working_size(features: LocalFeatures) -> tuple[float, float]:
    scale = _working_scale(features)
    return features.image_size[0] * scale, features.image_size[1] * scale
