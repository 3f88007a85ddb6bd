"""What a network is shown: the whole picture, or one segment on a plain ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from photos.vision.masks import Mask, resize_mask
from photos.vision.types import Box, Image, SegmentMask

CONTEXT: Final = 0.1
"""The margin around a segment's box, as a fraction of its longer side."""

_LEAST_CONTRAST: Final = 1.0
"""Standard deviation, in grey levels, under which a picture counts as blank."""


@dataclass(frozen=True, slots=True)
class View:
    """A network's input: `size` pixels a side, `mean` and `std` in 0..1 for R, G, B.

    A whole picture is either reduced to its shorter side and cut to the middle ("shortest", as CLIP was trained)
    or fitted to the square ("squash", as SigLIP was).
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Literal["shortest", "squash"] = "shortest"

    @property
    def ground(self) -> NDArray[np.uint8]:
        """The colour that becomes zero in the network's input, (3,) uint8."""
        return np.round(np.array(self.mean) * 255).astype(np.uint8)

    def show(self, image: Image) -> Image:
        """Return the whole picture as (size, size, 3) uint8."""
        if self.resize == "squash":
            return resize_to(image, self.size, self.size)
        height, width = image.shape[:2]
        shorter = min(height, width)  # rounded as torchvision does, for the networks' sake
        whole = resize_to(image, self.size * width // shorter, self.size * height // shorter)
        top, left = round((whole.shape[0] - self.size) / 2), round((whole.shape[1] - self.size) / 2)
        return whole[top : top + self.size, left : left + self.size]

    def show_segment(self, image: Image, segment: SegmentMask) -> Image:
        """Return one segment as (size, size, 3) uint8."""
        return resize_to(smart_crop(image, segment, ground=self.ground), self.size, self.size)

    def normalise(self, shown: list[Image]) -> NDArray[np.float32]:
        """Return (N, 3, size, size) float32, the network's input."""
        scale = np.float32(1 / 255) / np.array(self.std, np.float32)
        offset = np.array(self.mean, np.float32) / np.array(self.std, np.float32)
        batch = np.stack(shown) * scale - offset
        return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))


def smart_crop(image: Image, segment: SegmentMask, *, ground: NDArray[np.uint8], context: float = CONTEXT) -> Image:
    """Return the segment with a margin as a square of uint8, all that does not belong to it in `ground`.

    Cut from the picture in full, padded and not stretched. A mask of another resolution is fitted to the picture.
    """
    height, width = image.shape[:2]
    box = _fitted(segment, (height, width))
    margin = round(context * max(box.width, box.height))
    left, top = max(0, box.x - margin), max(0, box.y - margin)
    right, bottom = min(width, box.x + box.width + margin), min(height, box.y + box.height + margin)
    inside = _mask_part(segment.mask, (height, width), slice(top, bottom), slice(left, right))
    side = max(right - left, bottom - top)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = ground
    y, x = (side - (bottom - top)) // 2, (side - (right - left)) // 2
    part = square[y : y + bottom - top, x : x + right - left]
    cv2.copyTo(np.ascontiguousarray(image[top:bottom, left:right]), inside.view(np.uint8), part)
    return square


def resize_to(image: Image, width: int, height: int) -> Image:
    """Return the picture at another size, bicubic with smoothing; far larger ones are first reduced by boxes."""
    if image.shape[:2] == (height, width):
        return image
    picture = PillowImage.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), PillowImage.Resampling.BICUBIC, reducing_gap=3.0))


def is_blank(image: Image) -> bool:
    """Say whether a picture is of one colour all over."""
    step = max(1, max(image.shape[:2]) // 256)
    return float(image[::step, ::step].std(axis=(0, 1)).max()) < _LEAST_CONTRAST


def _fitted(segment: SegmentMask, shape: tuple[int, int]) -> Box:
    """Return the segment's box in pixels of the picture at hand: the mask's own, at the mask's resolution."""
    rows, columns = np.flatnonzero(segment.mask.any(axis=1)), np.flatnonzero(segment.mask.any(axis=0))
    down, across = shape[0] / segment.mask.shape[0], shape[1] / segment.mask.shape[1]
    x, y = int(columns[0] * across), int(rows[0] * down)
    return Box(x, y, max(1, round((columns[-1] + 1) * across) - x), max(1, round((rows[-1] + 1) * down) - y))


def _mask_part(mask: Mask, shape: tuple[int, int], rows: slice, columns: slice) -> Mask:
    return np.ascontiguousarray(resize_mask(mask, shape)[rows, columns])
