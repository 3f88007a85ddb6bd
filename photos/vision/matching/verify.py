"""Do two pictures show the same place? Local features, matched and held against one geometry.

Mutual nearest neighbours with Lowe's ratio test, then a fundamental matrix and a homography by MAGSAC++
(Barath et al., CVPR 2020, https://arxiv.org/abs/1912.05909).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.vision.matching.features import WORKING_SIDE
from photos.vision.types import LocalFeatures, Verification

RATIO: Final = 0.85
FUNDAMENTAL_THRESHOLD_PX: Final = 1.5
HOMOGRAPHY_THRESHOLD_PX: Final = 4.0
MIN_MATCHES: Final = 8
MAX_POINTS: Final = 100

CONFIRMED_INLIERS: Final = (25, 15)
POSSIBLE_INLIERS: Final = (18, 12)
"""Fundamental or homography inliers from which a match counts; 8 to 12 arise by chance."""

ONE_PLANE: Final = 0.9
"""From this share of the pairs on one homography, they leave the fundamental matrix open.

A copy of a photo is such a pair. OpenCV's search may then take seconds, and find nothing.
"""

_CONFIDENCE: Final = 0.999
_MAX_ITERATIONS: Final = 2000

_Points = NDArray[np.float64]


def verify(first: LocalFeatures, second: LocalFeatures) -> Verification:
    """Compare two pictures' features; the same pair gives the same answer, always."""
    return verify_many(first, [second])[0]


def verify_many(first: LocalFeatures, others: Sequence[LocalFeatures]) -> list[Verification]:
    """Compare one picture with several, as `verify` does with each; about 8 ms a pair on one core."""
    query = _unit(first.descriptors)
    # One table for all pairs: fresh megabytes from the system cost as much as filling them.
    table = np.empty(len(first) * max((len(other) for other in others), default=0), np.float32)
    return [_verify(first, other, _match(query, _unit(other.descriptors), table)) for other in others]


def _verify(first: LocalFeatures, second: LocalFeatures, matches: NDArray[np.intp]) -> Verification:
    pairs = _one_pair_a_place(matches, first, second)
    if len(pairs) < MIN_MATCHES:
        return _conclude(0, 0, ())
    left, right = first.keypoints[pairs[:, 0]], second.keypoints[pairs[:, 1]]
    working_left = left.astype(np.float64) * _working_scale(first)
    working_right = right.astype(np.float64) * _working_scale(second)
    homography = _inliers_of_homography(working_left, working_right)
    flat = _is_one_plane(homography)
    fundamental = homography if flat else _inliers_of_fundamental(working_left, working_right)
    counts = int(fundamental.sum()), int(homography.sum())
    agreeing = fundamental if counts[0] >= counts[1] else homography
    points = np.hstack([left, right])[agreeing][:MAX_POINTS].astype(float)
    return _conclude(*counts, tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in points.tolist()))


def probability_of_same_place(fundamental_inliers: int, homography_inliers: int) -> float:
    """Return the shipped prior in 0..1, a logistic fit on real geotagged photos."""
    logit = -23.31 + 6.46 * math.log1p(fundamental_inliers) + 1.60 * math.log1p(homography_inliers)
    return 1.0 / (1.0 + math.exp(-logit))


def level_of(fundamental_inliers: int, homography_inliers: int) -> str:
    """Return "confirmed", "possible" or "none"."""
    for level, needed in (("confirmed", CONFIRMED_INLIERS), ("possible", POSSIBLE_INLIERS)):
        if fundamental_inliers >= needed[0] or homography_inliers >= needed[1]:
            return level
    return "none"


def _conclude(fundamental: int, homography: int, points: tuple[tuple[float, float, float, float], ...]) -> Verification:
    return Verification(
        fundamental_inliers=fundamental,
        homography_inliers=homography,
        p_same=probability_of_same_place(fundamental, homography),
        level=level_of(fundamental, homography),
        points=points,
    )


def _working_scale(features: LocalFeatures) -> float:
    """Thresholds are in pixels of the working copy, keypoints in those of the original."""
    return min(1.0, WORKING_SIDE / max(features.image_size))


def _match(first: NDArray[np.float32], second: NDArray[np.float32], table: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return (M, 2) indices of mutual nearest neighbours that pass the ratio test, closest first.

    `first` and `second` are unit descriptors, `table` at least N * M numbers to work in.
    """
    if min(len(first), len(second)) < MIN_MATCHES:
        return np.empty((0, 2), np.intp)
    similarities = table[: len(first) * len(second)].reshape(len(first), len(second))
    np.matmul(first, second.T, out=similarities)
    rows = np.arange(len(first))
    nearest = similarities.argmax(axis=1)
    best = similarities[rows, nearest]
    mutual = similarities.argmax(axis=0)[nearest] == rows
    similarities[rows, nearest] = -1.0
    # The squared distance of unit vectors is 2 - 2 * similarity.
    distinct = 1.0 - best < RATIO**2 * (1.0 - similarities.max(axis=1))
    kept = np.flatnonzero(mutual & distinct)
    kept = kept[np.argsort(-best[kept], kind="stable")]
    return np.stack([kept, nearest[kept]], axis=1)


def _unit(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = descriptors.astype(np.float32)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6), np.float32)


def _one_pair_a_place(pairs: NDArray[np.intp], first: LocalFeatures, second: LocalFeatures) -> NDArray[np.intp]:
    """Drop pairs between the same two points: SIFT describes one point once per orientation."""
    places = np.hstack([first.keypoints[pairs[:, 0]], second.keypoints[pairs[:, 1]]])
    _, unique = np.unique(np.rint(places), axis=0, return_index=True)
    return pairs[np.sort(unique)]


def _is_one_plane(homography: NDArray[np.bool_]) -> bool:
    """Whether the pairs are on one homography, and enough of them that the count decides nothing more."""
    agreeing = int(homography.sum())
    return agreeing >= CONFIRMED_INLIERS[0] and agreeing >= ONE_PLANE * len(homography)


def _inliers_of_fundamental(left: _Points, right: _Points) -> NDArray[np.bool_]:
    cv2.setRNGSeed(0)
    try:
        matrix, mask = cv2.findFundamentalMat(
            left, right, cv2.USAC_MAGSAC, FUNDAMENTAL_THRESHOLD_PX, _CONFIDENCE, _MAX_ITERATIONS
        )
    except cv2.error:  # degenerate points, for instance all on one spot
        return np.zeros(len(left), np.bool_)
    return _inliers(matrix, mask, len(left))


def _inliers_of_homography(left: _Points, right: _Points) -> NDArray[np.bool_]:
    cv2.setRNGSeed(0)
    try:
        matrix, mask = cv2.findHomography(
            left,
            right,
            cv2.USAC_MAGSAC,
            HOMOGRAPHY_THRESHOLD_PX,
            maxIters=_MAX_ITERATIONS,
            confidence=_CONFIDENCE,
        )
    except cv2.error:
        return np.zeros(len(left), np.bool_)
    return _inliers(matrix, mask, len(left))


def _inliers(matrix: object, mask: NDArray[np.generic] | None, count: int) -> NDArray[np.bool_]:
    if matrix is None or mask is None or mask.size != count:
        return np.zeros(count, np.bool_)
    return mask.ravel().astype(np.bool_)
