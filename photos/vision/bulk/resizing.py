"""What size a network is shown a picture at: the five ways of ILIAS, to the pixel.

Kordopatis-Zilos et al., "ILIAS: Instance-Level Image retrieval At Scale" (CVPR 2025); the published extraction
resizes with Pillow, on the whole decoded picture, and pads with zeros after the colours were normalised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from photos.vision.errors import VisionError
from photos.vision.types import Image

Transform: TypeAlias = Literal["resize_large", "resize_small", "resize_center", "resize_square", "resize_pad"]
TRANSFORMS: Final[tuple[str, ...]] = get_args(Transform)

_CUBIC, _LINEAR = PillowImage.Resampling.BICUBIC, PillowImage.Resampling.BILINEAR


@dataclass(frozen=True, slots=True)
class Resizing:
    """How a picture is fitted to `resolution` pixels.

    - `resize_large`: the longer side to `resolution`, bicubic; padded to `min_size` a side where it is less.
    - `resize_small`: the shorter side to `resolution`, bilinear.
    - `resize_center`: the same, then the middle square.
    - `resize_square`: both sides to `resolution`, bilinear, stretched.
    - `resize_pad`: as `resize_large`, then padded to the square.
    """

    transform: str = "resize_large"
    resolution: int = 512
    min_size: int = 0

    def __post_init__(self) -> None:
        if self.transform not in TRANSFORMS:
            raise VisionError(f"unknown transform {self.transform!r}; use one of {', '.join(TRANSFORMS)}")
        if self.resolution < 1 or self.min_size < 0:
            raise VisionError(f"resolution must be at least 1 and min_size at least 0, got {self}")

    @property
    def is_fixed(self) -> bool:
        """Whether every picture comes out at one size, once padded."""
        return self.transform in {"resize_center", "resize_square", "resize_pad"}

    def show(self, image: Image) -> Image:
        """Return the picture resized and cut, (h, w, 3) uint8, before padding."""
        height, width = image.shape[:2]
        size = self.resolution
        if self.transform in {"resize_large", "resize_pad"}:
            return _resized(image, *_longer_side(width, height, size), _CUBIC)
        if self.transform == "resize_square":
            return _resized(image, size, size, _LINEAR)
        whole = _resized(image, *_shorter_side(width, height, size), _LINEAR)
        return whole if self.transform == "resize_small" else _middle(whole, size)

    def normalise(self, shown: Image, *, mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.float32]:
        """Return (N, 3, H, W) float32 of (N, h, w, 3) uint8, the network's input, padded with zeros."""
        scaled = (shown.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(std, np.float32)
        least = {"resize_large": self.min_size, "resize_pad": self.resolution}.get(self.transform, 0)
        down, across = (_padding(length, least) for length in shown.shape[1:3])
        return np.ascontiguousarray(np.pad(scaled, ((0, 0), down, across, (0, 0))).transpose(0, 3, 1, 2))


def _longer_side(width: int, height: int, size: int) -> tuple[int, int]:
    ratio = height / width
    if ratio <= 1:
        return size, max(1, int(size * ratio))
    return max(1, int(size / ratio)), size


def _shorter_side(width: int, height: int, size: int) -> tuple[int, int]:
    if width <= height:
        return size, int(size * height / width)
    return int(size * width / height), size


def _resized(image: Image, width: int, height: int, resample: PillowImage.Resampling) -> Image:
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(PillowImage.fromarray(np.ascontiguousarray(image)).resize((width, height), resample))


def _middle(image: Image, size: int) -> Image:
    top, left = (round((length - size) / 2) for length in image.shape[:2])
    return np.ascontiguousarray(image[top : top + size, left : left + size])


def _padding(length: int, least: int) -> tuple[int, int]:
    missing = max(0, least - length)
    return missing // 2, missing - missing // 2
