"""Pictures for tests: drawn in memory, or photographs that ship inside scikit-image."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image as PillowImage
from PIL import ImageDraw

from photos.vision.images import read_image
from photos.vision.types import Image


@cache
def photograph(name: str) -> Image:
    """Return a bundled photograph, such as "astronaut", as read-only (H, W, 3) uint8 RGB."""
    return read_image(next(Path(skimage.data.__file__).parent.glob(f"{name}.*"))).pixels


def noise(width: int, height: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blank(width: int = 96, height: int = 64, grey: int = 128) -> Image:
    return np.full((height, width, 3), grey, np.uint8)


def shapes(width: int = 320, height: int = 240) -> Image:
    """Return a red disc and a blue square on light grey."""
    picture = PillowImage.new("RGB", (width, height), (200, 200, 200))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((20, 20, 140, 140), fill=(200, 30, 30))
    draw.rectangle((190, 90, 300, 200), fill=(30, 30, 200))
    return np.array(picture)


def encoded(pixels: Image | PillowImage.Image, format: str = "PNG", **options: Any) -> bytes:  # noqa: A002 - Pillow's word
    picture = PillowImage.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()
