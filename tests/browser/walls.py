"""Drawn walls that a camera can come back to: full of detail, each of its own."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image


def wall(seed: int, *, size: tuple[int, int] = (900, 675)) -> Image.Image:
    """A wall of stones, windows and posters."""
    rng = np.random.default_rng(seed)
    width, height = size
    pixels = np.full((height, width, 3), rng.integers(150, 215, 3), np.uint8)
    for y in range(0, height, 45):
        x = -int(rng.integers(0, 60))
        while x < width:
            w = int(rng.integers(40, 110))
            colour = tuple(int(c) for c in rng.integers(90, 225, 3))
            cv2.rectangle(pixels, (x, y), (x + w - 4, y + 41), colour, -1)
            x += w
    for _ in range(26):
        x, y, w, h = (int(v) for v in (*rng.integers(0, (width - 90, height - 90)), *rng.integers(30, 120, 2)))
        cv2.rectangle(pixels, (x, y), (x + w, y + h), tuple(int(c) for c in rng.integers(0, 255, 3)), -1)
        text = "".join(chr(int(c)) for c in rng.integers(65, 91, 4))
        cv2.putText(pixels, text, (x + 4, y + h - 8), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (250, 250, 240), 2, cv2.LINE_AA)
    noise = rng.normal(0, 4, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def another_view(picture: Image.Image) -> Image.Image:
    """The same wall from further right, a little darker."""
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = np.array([[60, 45], [width - 20, 0], [width - 30, height], [40, height - 70]], np.float32)
    turned = cv2.warpPerspective(
        pixels, cv2.getPerspectiveTransform(corners, seen), (width, height), borderValue=(120, 140, 160)
    )
    return Image.fromarray((turned * 0.86).astype(np.uint8))
