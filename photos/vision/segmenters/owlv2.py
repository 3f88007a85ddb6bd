"""The segmenters `owlv2+sam…`: what OWLv2 takes for an object, cut out by SAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from photos.vision import configuration, registry
from photos.vision.engines import Engine, get_engine
from photos.vision.errors import UnknownModelError
from photos.vision.masks import choose_segments
from photos.vision.segmenters.owlv2_model import Owlv2Detector, load_owlv2
from photos.vision.segmenters.owlv2_weights import SAM_OF, WEIGHTS
from photos.vision.types import Box, Image, SegmentMask
from photos.vision.weights import require

_CANDIDATES: Final = 6
"""Boxes that SAM is asked about, as a multiple of the segments wanted."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundObject:
    """An object: its box's corners x1, y1, x2, y2 in pixels, how sure the box is, and its mask."""

    corners: tuple[float, float, float, float]
    score: float
    segment: SegmentMask


class Owlv2SamSegmenter:
    """Objects by open-vocabulary detection, as masks; the weights of both networks are loaded when it is made.

    Any object by default, those that `OWLV2_PROMPTS` name where there are such. SAM is shared with the segmenter of
    its own slug.
    """

    def __init__(self, slug: str = "owlv2+sam", *, engine: Engine | None = None) -> None:
        """Raises `UnknownModelError`, `WeightsMissingError`, `WeightsCorruptError`, `MissingDependencyError`."""
        if slug not in SAM_OF:
            raise UnknownModelError(f"unknown OWLv2 segmenter {slug!r}; known: {', '.join(SAM_OF)}")
        self.slug = slug
        self.settings = configuration.current()
        self._sam = cast("Any", registry.get_segmenter(SAM_OF[slug]))
        network = load_owlv2(require(WEIGHTS))
        self._detector = Owlv2Detector(network, engine or get_engine(), prompts=self.settings.owlv2_prompts)

    def detect(self, image: Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return boxes (N, 4) as x1, y1, x2, y2 in pixels and scores (N,) in 0..1, best first."""
        return self._detector.detect(
            image, score_thresh=self.settings.owlv2_thresh, nms_thresh=self.settings.owlv2_nms_thresh
        )

    def find_objects(self, image: Image, *, limit: int = 0) -> list[FoundObject]:
        """Return the objects with their masks, the surest first; at most `limit` where that is not 0."""
        boxes, scores = self.detect(image)
        if limit:
            boxes, scores = boxes[:limit], scores[:limit]
        masks = self._sam.segment_boxes(image, [_whole_pixels(box) for box in boxes])
        return [
            FoundObject((float(box[0]), float(box[1]), float(box[2]), float(box[3])), float(score), mask)
            for box, score, mask in zip(boxes, scores, masks, strict=True)
            if mask is not None
        ]

    def segment(self, image: Image) -> list[SegmentMask]:
        """Return the segments chosen from the objects, best first."""
        most = self.settings.max_segments_per_image
        found = self.find_objects(image, limit=_CANDIDATES * most)
        return choose_segments([one.segment for one in found], limit=most, min_size=self.settings.min_segment_size)


def _whole_pixels(corners: NDArray[np.float64]) -> Box:
    """Return the smallest box of whole pixels around the corners."""
    left, top = np.floor(corners[:2]).astype(int)
    right, bottom = np.ceil(corners[2:]).astype(int)
    return Box(int(left), int(top), int(right - left), int(bottom - top))
