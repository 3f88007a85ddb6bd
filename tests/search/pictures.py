"""Small drawn pictures of places: a textured wall each, seen from different sides."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from PIL import Image as PillowImage

WIDTH, HEIGHT = 400, 300


def draw_wall(seed: int) -> np.ndarray:
    """Return (300, 400, 3) uint8: many small shapes of random colours, unlike any other seed's."""
    random = np.random.default_rng(seed)
    wall = np.full((HEIGHT, WIDTH, 3), random.integers(90, 170, 3), np.uint8)
    for _ in range(220):
        x, y = int(random.integers(0, WIDTH)), int(random.integers(0, HEIGHT))
        colour = tuple(int(value) for value in random.integers(0, 255, 3))
        if random.random() < 0.5:
            size = random.integers(4, 28, 2)
            cv2.rectangle(wall, (x, y), (x + int(size[0]), y + int(size[1])), colour, -1)
        else:
            cv2.circle(wall, (x, y), int(random.integers(2, 14)), colour, -1)
    return wall


def view(wall: np.ndarray, number: int) -> np.ndarray:
    """Return the wall from another side, in another light; view 0 is the wall itself."""
    if number == 0:
        return wall
    random = np.random.default_rng(number)
    corners = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32)
    moved = corners + random.uniform(-22, 22, corners.shape).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    warped = cv2.warpPerspective(wall, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    lit = warped.astype(np.float32) * random.uniform(0.8, 1.1) + random.normal(0, 3, warped.shape)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def encode(pixels: np.ndarray, *, gps: tuple[float, float] | None = None) -> bytes:
    """Return a JPEG file, with a GPS position (degrees, north and east) if given."""
    options: dict[str, Any] = {}
    if gps is not None:
        exif = PillowImage.Exif()
        latitude, longitude = gps
        north, east = ("N" if latitude >= 0 else "S"), ("E" if longitude >= 0 else "W")
        exif[0x8825] = {1: north, 2: (abs(latitude), 0.0, 0.0), 3: east, 4: (abs(longitude), 0.0, 0.0)}
        options["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


def picture_of(seed: int, number: int, **options: Any) -> bytes:
    return encode(view(draw_wall(seed), number), **options)
