"""The outlines of segments, to be drawn over a photo."""

from __future__ import annotations

import cv2
import numpy as np

from photos.models import Segment
from photos.vision.masks import decode_rle

MIN_CORNERS = 3


def outline_path(segment: Segment, *, photo_width: int, photo_height: int) -> str:
    """Return a segment's outline as an SVG path in pixels of the upright photo; its box where it has no mask."""
    rle = {"size": [segment.mask_height, segment.mask_width], "counts": segment.mask_counts}
    try:
        mask = decode_rle(rle).astype(np.uint8)
    except ValueError:
        return f"M{segment.x} {segment.y}h{segment.width}v{segment.height}h{-segment.width}Z"
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
    scale = np.array([photo_width / segment.mask_width, photo_height / segment.mask_height])
    return "".join(_ring(contour.reshape(-1, 2) * scale) for contour in contours if len(contour) >= MIN_CORNERS)


def _ring(points: np.ndarray) -> str:
    corners = " ".join(f"{x:.0f} {y:.0f}" for x, y in points)
    return f"M{corners}Z"
