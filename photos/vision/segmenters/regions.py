"""Regions of similar colour by graph-based segmentation (Felzenszwalb and Huttenlocher, IJCV 2004)."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import felzenszwalb

from photos.vision.masks import MIN_SEGMENT_SIZE, Mask, choose_segments, resize_mask, segment_of
from photos.vision.types import Image, SegmentMask

_WORKING_SIDE: Final = 256
_SCALES: Final = (80.0, 250.0, 700.0)
"""Felzenszwalb's preference for larger regions; several, for parts as well as wholes."""


class RegionSegmenter:
    """Regions at three scales, chosen by how clearly they stand out, their size and coverage."""

    def __init__(self, slug: str = "regions") -> None:
        self.slug = slug

    def segment(self, image: Image) -> list[SegmentMask]:
        working = _reduced(image)
        edges = _edge_strength(working)
        candidates = [
            segment_of(mask, predicted_iou=_quality(mask, edges))
            for scale in _SCALES
            for mask in _regions(working, scale)
        ]
        chosen = choose_segments(candidates, min_size=MIN_SEGMENT_SIZE)
        shape = (image.shape[0], image.shape[1])
        return [segment_of(resize_mask(one.mask, shape), predicted_iou=one.predicted_iou) for one in chosen]


def _reduced(image: Image) -> Image:
    scale = min(1.0, _WORKING_SIDE / max(image.shape[:2]))
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _regions(working: Image, scale: float) -> list[Mask]:
    least = max(1, int(MIN_SEGMENT_SIZE * working.shape[0] * working.shape[1]))
    labels = felzenszwalb(working, scale=scale, sigma=0.8, min_size=least)
    return [labels == label for label in range(int(labels.max()) + 1)]


def _edge_strength(working: Image) -> NDArray[np.float32]:
    """Return (h, w) in 0..1: the gradient of the lightness, 1 at the strongest twentieth."""
    grey = cv2.cvtColor(working, cv2.COLOR_RGB2GRAY).astype(np.float32)
    strength = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return np.asarray(np.minimum(strength / max(1.0, float(np.quantile(strength, 0.95))), 1.0), np.float32)


def _quality(mask: Mask, edges: NDArray[np.float32]) -> float:
    """Return 0..1: how much of the region's outline lies on edges, and whether it holds any itself."""
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    outline = mask & ~inside
    clear = float(edges[outline].mean()) if outline.any() else 0.0
    texture = min(1.0, 3.0 * float(edges[mask].mean()))
    return min(1.0, 0.3 + 0.4 * clear + 0.6 * texture)
