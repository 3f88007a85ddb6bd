"""The segmenters `sam-vit-b`, `sam-vit-l` and `sam-vit-h`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from photos.vision import configuration
from photos.vision.engines import Engine, get_engine
from photos.vision.engines.torch_engine import telling_gpu_memory
from photos.vision.errors import UnknownModelError
from photos.vision.masks import MAX_SEGMENTS_PER_IMAGE, MIN_SEGMENT_SIZE, choose_segments, segment_of
from photos.vision.segmenters.sam_automatic import Masks, automatic_masks, full_masks, measure
from photos.vision.segmenters.sam_model import EncodedImage, SamModel, load_sam
from photos.vision.segmenters.sam_weights import WEIGHTS
from photos.vision.types import Box, Image, SegmentMask, WeightFile
from photos.vision.weights import require

SLUGS: Final = {f"sam-{model_type.replace('_', '-')}": model_type for model_type in WEIGHTS}
"""Segmenter slug to SAM's model type."""

_CANDIDATES: Final = 6
"""Masks made in full, as a multiple of those wanted: from these the segments are chosen."""


@dataclass(frozen=True, slots=True)
class SamSettings:
    """What is segmented and kept; `points_per_side` 0 means 16 on a CPU and 32 on a GPU.

    `min_segment_size` is a fraction of the picture.
    """

    points_per_side: int = 0
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    max_segments_per_image: int = MAX_SEGMENTS_PER_IMAGE
    min_segment_size: float = MIN_SEGMENT_SIZE

    @classmethod
    def configured(cls) -> SamSettings:
        """Return the settings of the configuration in force."""
        found = configuration.current()
        return cls(
            points_per_side=found.points_per_side,
            pred_iou_thresh=found.pred_iou_thresh,
            stability_score_thresh=found.stability_score_thresh,
            max_segments_per_image=found.max_segments_per_image,
            min_segment_size=found.min_segment_size,
        )


class SamSegmenter:
    """Segments by SAM; its weights are loaded when it is made."""

    def __init__(
        self, slug: str = "sam-vit-b", *, settings: SamSettings | None = None, engine: Engine | None = None
    ) -> None:
        """Raises `UnknownModelError`, `WeightsMissingError` and `WeightsCorruptError`."""
        self.slug = slug
        self.settings = settings or SamSettings.configured()
        chosen = engine or get_engine()
        self._model = SamModel(load_sam(require(weights_of(slug))), chosen)
        automatic = 16 if chosen.device.type == "cpu" else 32
        self._points_per_side = self.settings.points_per_side or automatic

    @telling_gpu_memory()
    def segment(self, image: Image) -> list[SegmentMask]:
        """Return the segments chosen from SAM's automatic masks, best first."""
        encoded = self._model.encode(image)
        masks = automatic_masks(
            self._model,
            encoded,
            points_per_side=self._points_per_side,
            pred_iou_thresh=self.settings.pred_iou_thresh,
            stability_score_thresh=self.settings.stability_score_thresh,
        )
        return choose_segments(
            self._segments(encoded, self._large_enough(masks, encoded)),
            limit=self.settings.max_segments_per_image,
            min_size=self.settings.min_segment_size,
        )

    @telling_gpu_memory()
    def segment_boxes(self, image: Image, boxes: Sequence[Box]) -> list[SegmentMask | None]:
        """Return the object in each box, None where SAM finds none."""
        if not boxes:
            return []
        encoded = self._model.encode(image)
        corners = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes]
        logits, quality = self._model.decode_boxes(encoded, np.array(corners, np.float64))
        masks = measure(self._model, encoded, logits[:, 0], quality[:, 0])
        return [self._segment(encoded, masks, index) for index in range(len(boxes))]

    def _large_enough(self, masks: Masks, image: EncodedImage) -> Masks:
        """Drop what is sure to be too small, by its box, and the worst of very many: full masks are large."""
        sides = masks.boxes[:, 2:] - masks.boxes[:, :2] + 1
        least = self.settings.min_segment_size * image.size[0] * image.size[1]
        large = masks.pick(sides.prod(dim=1) >= least)
        most = _CANDIDATES * self.settings.max_segments_per_image
        return large.pick(large.quality.argsort(descending=True, stable=True)[:most])

    def _segments(self, image: EncodedImage, masks: Masks) -> list[SegmentMask]:
        found = [self._segment(image, masks, index) for index in range(len(masks.quality))]
        return [one for one in found if one is not None]

    def _segment(self, image: EncodedImage, masks: Masks, index: int) -> SegmentMask | None:
        mask = full_masks(self._model, image, masks.small[index : index + 1])[0]
        if not mask.any():
            return None
        quality, stability = float(masks.quality[index]), float(masks.stability[index])
        return segment_of(mask, predicted_iou=min(max(quality, 0.0), 1.0), stability_score=stability)


def weights_of(slug: str) -> WeightFile:
    """Return the checkpoint of a segmenter's slug; raises `UnknownModelError`."""
    if slug not in SLUGS:
        raise UnknownModelError(f"unknown SAM segmenter {slug!r}; known: {', '.join(SLUGS)}")
    return WEIGHTS[SLUGS[slug]]
