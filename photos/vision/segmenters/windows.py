"""Nine overlapping windows of half the picture's size: where no object stands out, places still do."""

from __future__ import annotations

from photos.vision.masks import mask_of
from photos.vision.types import Box, Image, SegmentMask


class WindowSegmenter:
    """A 3 x 3 grid of windows that overlap by half; the middle one first."""

    def __init__(self, slug: str = "windows") -> None:
        self.slug = slug

    def segment(self, image: Image) -> list[SegmentMask]:
        height, width = image.shape[:2]
        half_width, half_height = max(1, width // 2), max(1, height // 2)
        corners = [
            ((width - half_width) * column // 2, (height - half_height) * row // 2)
            for row in (1, 0, 2)
            for column in (1, 0, 2)
        ]
        boxes = [Box(x, y, half_width, half_height) for x, y in corners]
        return [SegmentMask(mask_of(box, (height, width)), box, box.area) for box in boxes]
