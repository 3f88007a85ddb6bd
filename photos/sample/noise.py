"""Seeded noise for the sample town: the same on every run, from NumPy and OpenCV alone."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""One value a pixel: (H, W) float32."""

Colour = tuple[float, float, float]
"""Red, green and blue, 0..255 as shown on a screen (sRGB)."""


def generator(*keys: object) -> np.random.Generator:
    """A random generator that depends on `keys` only."""
    return np.random.default_rng(zlib.crc32("/".join(map(str, keys)).encode()))


def smooth_noise(shape: tuple[int, int], cell_px: float, rng: np.random.Generator) -> Field:
    """(H, W) float32 about -1..1, varying over some `cell_px` pixels."""
    height, width = shape
    cell = max(cell_px, 1.0)
    grid = rng.uniform(-1, 1, (int(height / cell) + 4, int(width / cell) + 4)).astype(np.float32)
    spread = np.array(((1 / cell, 0, 1.2), (0, 1 / cell, 1.2)), dtype=np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(grid, spread, (width, height), flags=flags), dtype=np.float32)


def fractal_noise(shape: tuple[int, int], cell_px: float, rng: np.random.Generator, *, octaves: int = 4) -> Field:
    """(H, W) float32 about -1..1: octaves of smooth noise, each of half the size and strength of the last."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        if octave and cell_px / 2**octave < 1.5:
            break
        total += smooth_noise(shape, cell_px / 2**octave, rng) * 0.55**octave
    return total


def tileable_noise(size: int, cells: int, rng: np.random.Generator, *, octaves: int = 5) -> Field:
    """(size, size) float32 about -1..1 that repeats without a seam."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        count = cells * 2**octave
        if count * 2 > size:
            break
        grid = np.pad(rng.uniform(-1, 1, (count, count)).astype(np.float32), 2, mode="wrap")
        step = count / size
        spread = np.array(((step, 0, 1.5), (0, step, 1.5)), dtype=np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        total += np.asarray(cv2.warpAffine(grid, spread, (size, size), flags=flags)) * 0.55**octave
    return total


def blur(field: Field, radius_px: float) -> Field:
    """(H, W) float32 under a Gaussian of `radius_px` standard deviation; wide ones on a smaller grid."""
    if radius_px < 0.3:
        return field
    shrink = max(1, int(radius_px / 3))
    if shrink == 1:
        return np.asarray(cv2.GaussianBlur(field, (0, 0), radius_px), dtype=np.float32)
    height, width = field.shape[:2]
    size = (max(1, width // shrink), max(1, height // shrink))
    small = cv2.resize(field, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), radius_px / shrink)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def vary(colour: Colour, amount: float, rng: np.random.Generator) -> Colour:
    """A colour near `colour`: lighter or darker by up to `amount`, and a little warmer or cooler."""
    light, warm = rng.uniform(-amount, amount), rng.uniform(-amount, amount) * 0.35
    red, green, blue = (channel * (1 + light) for channel in colour)
    return red * (1 + warm), green, blue * (1 - warm)
