"""Questions made of photos: a part of one, and one pasted into another picture. The same for a name, always."""

from __future__ import annotations

import hashlib
from typing import Final

import cv2
import numpy as np
import skimage.data

from photos.vision.types import Image

CROP_SHARE: Final = (0.25, 0.40)
"""Of the picture's area."""

PASTED_SCALE: Final = 0.5

_BACKGROUNDS: Final = ("astronaut", "coffee", "chelsea", "rocket")
"""Pictures that come with scikit-image, and are nowhere near the photos."""


def crop(picture: Image, name: str) -> Image:
    """Return a window of 25 to 40 % of (H, W, 3) `picture`, of its proportions."""
    chance = _chance("crop", name)
    height, width = picture.shape[:2]
    side = float(np.sqrt(chance.uniform(*CROP_SHARE)))
    return _window(picture, (int(height * side), int(width * side)), chance)


def paste(picture: Image, name: str) -> Image:
    """Return a picture of the same size, something else, with `picture` at half its size somewhere in it."""
    chance = _chance("paste", name)
    height, width = picture.shape[:2]
    background = getattr(skimage.data, _BACKGROUNDS[int(chance.integers(len(_BACKGROUNDS)))])()[:, :, :3]
    canvas = cv2.resize(background, (width, height), interpolation=cv2.INTER_CUBIC)
    size = (int(height * PASTED_SCALE), int(width * PASTED_SCALE))
    _window(canvas, size, chance)[:] = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(canvas, np.uint8)


def _chance(kind: str, name: str) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256(f"{kind} {name}".encode()).digest()))


def _window(picture: Image, size: tuple[int, int], chance: np.random.Generator) -> Image:
    """Return a view of `size` (height, width) somewhere in the picture."""
    top = int(chance.integers(picture.shape[0] - size[0] + 1))
    left = int(chance.integers(picture.shape[1] - size[1] + 1))
    return picture[top : top + size[0], left : left + size[1]]
