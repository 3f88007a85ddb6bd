"""Materials of the sample town: brick, stone, plaster, tiles, boards, each unit different from its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.sample.noise import Colour, Field, fractal_noise, smooth_noise
from photos.vision.types import Image


@dataclass(frozen=True)
class Material:
    """`colour` (H, W, 3) uint8 and `relief` (H, W) float32, metres above the wall's plane."""

    colour: Image
    relief: Field


@dataclass(frozen=True)
class Courses:
    """How units are laid in rows: sizes in metres, `palette` of unit colours, `joint` colour between them."""

    palette: Sequence[Colour]
    joint: Colour
    width_m: float
    height_m: float
    joint_m: float = 0.012
    irregular: float = 0.15
    variation: float = 0.10
    depth_m: float = 0.008
    wobble_m: float = 0.0
    overlap: float = 0.0
    """How much the lower edge of each unit overhangs the next row (roof tiles, shingles), 0..1."""


def to_image(colour: NDArray[np.float32]) -> Image:
    return np.clip(colour, 0, 255).astype(np.uint8)


def lay_courses(shape: tuple[int, int], scale: float, courses: Courses, rng: np.random.Generator) -> Material:
    """Rows of units (bricks, blocks, tiles, slates) over `shape` pixels at `scale` pixels a metre."""
    unit, edge, drop = _courses_map(shape, scale, courses, rng)
    if courses.wobble_m:
        unit, edge, drop = _wobble((unit, edge, drop), scale, courses.wobble_m, rng)
    count = 4096
    palette = np.array(courses.palette, np.float32)[rng.integers(0, len(courses.palette), count)]
    palette *= 1 + rng.normal(0, courses.variation, (count, 1)).astype(np.float32)
    palette[:, 0] *= 1 + rng.normal(0, courses.variation * 0.2, count).astype(np.float32)
    colour = palette[unit.astype(np.int32) % count]
    grain = fractal_noise(shape, scale * 0.10, rng, octaves=3) * 0.055 + rng.normal(0, 0.03, shape).astype(np.float32)
    shade = 1 + grain - courses.overlap * 0.45 * (1 - drop)
    joint = np.clip(1.2 - edge / (courses.joint_m * scale), 0, 1)[..., None]
    colour = colour * shade[..., None] * (1 - joint) + np.array(courses.joint, np.float32) * joint
    relief = courses.depth_m * (1 - joint[..., 0]) + courses.overlap * 0.05 * drop
    return Material(to_image(colour), relief.astype(np.float32))


def _courses_map(
    shape: tuple[int, int], scale: float, courses: Courses, rng: np.random.Generator
) -> tuple[Field, Field, Field]:
    """For each pixel: the number of its unit, pixels to the nearest joint, and 0..1 down its row."""
    height, width = shape
    unit, edge, drop = (np.zeros(shape, np.float32) for _ in range(3))
    x = np.arange(width, dtype=np.float32)
    row, top = 0, 0.0
    while top < height:
        tall = max(2.0, scale * courses.height_m * (1 + courses.irregular * 0.5 * rng.uniform(-1, 1)))
        rows = slice(int(top), min(height, int(top + tall)))
        breaks = _breaks(width, scale * courses.width_m, courses.irregular, row, rng)
        column = np.searchsorted(breaks, x)
        sideways = np.minimum(x - breaks[column - 1], breaks[column] - x)
        down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(top)
        unit[rows] = rng.integers(0, 4096) + column * 7
        edge[rows] = np.minimum(sideways, np.minimum(down, np.float32(tall) - down))
        drop[rows] = down / np.float32(tall)
        row, top = row + 1, top + tall
    return unit, edge, drop


def _breaks(width: int, unit_px: float, irregular: float, row: int, rng: np.random.Generator) -> Field:
    count = int(width / unit_px) + 6
    widths = unit_px * (1 + irregular * rng.uniform(-1, 1, count))
    start = -unit_px * (2 + (row % 2) * 0.5)
    return (start + np.cumsum(widths)).astype(np.float32).clip(-1e6, 1e6) * (count + 4) / (count + 3)


def _wobble(
    fields: tuple[Field, ...], scale: float, amount_m: float, rng: np.random.Generator
) -> tuple[Field, ...]:
    shape = fields[0].shape[:2]
    y, x = np.indices(shape, dtype=np.float32)
    x += smooth_noise((shape[0], shape[1]), scale * 0.3, rng) * scale * amount_m
    y += smooth_noise((shape[0], shape[1]), scale * 0.3, rng) * scale * amount_m
    return tuple(
        np.asarray(cv2.remap(f, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE), np.float32) for f in fields
    )


def plaster(
    shape: tuple[int, int], scale: float, colour: Colour, rng: np.random.Generator, *, age: float = 0.5
) -> Material:
    """Painted render with blotches, hair cracks and, with `age` (0..1), faded and repaired patches."""
    blotch = fractal_noise(shape, scale * 1.6, rng, octaves=4) * 0.05 * (0.5 + age)
    fine = fractal_noise(shape, scale * 0.12, rng, octaves=3) * 0.035
    patch = np.clip((fractal_noise(shape, scale * 0.9, rng, octaves=5) - 0.62) * 7, 0, 1) * age
    crack = np.exp(-np.abs(fractal_noise(shape, scale * 1.2, rng, octaves=4)) * 55) * 0.20 * age
    crack *= np.clip(fractal_noise(shape, scale * 2.5, rng, octaves=2) * 3, 0, 1)
    shade = 1 + blotch + fine - crack + rng.normal(0, 0.012, shape).astype(np.float32)
    base = np.array(colour, np.float32) * shade[..., None]
    pale = np.array(colour, np.float32) * 0.5 + np.array((196, 186, 170), np.float32) * 0.42
    base = base * (1 - patch[..., None] * 0.75) + pale * patch[..., None] * 0.75 * shade[..., None]
    relief = fine * 0.06 - patch * 0.006
    return Material(to_image(base), relief.astype(np.float32))


def boards(
    shape: tuple[int, int], scale: float, palette: Sequence[Colour], rng: np.random.Generator, *, width_m: float = 0.16
) -> Material:
    """Upright boards with grain (turn the result for level ones)."""
    board = Courses(palette, (45, 36, 30), width_m, 3.2, joint_m=0.012, irregular=0.12, variation=0.09, depth_m=0.01)
    laid = lay_courses(shape, scale, board, rng)
    grain = cv2.resize(smooth_noise((max(4, shape[0] // 24), shape[1]), 1.6, rng), (shape[1], shape[0]))
    return Material(to_image(laid.colour * (1 + grain[..., None] * 0.08)), laid.relief)


def seamed_metal(
    shape: tuple[int, int], scale: float, colour: Colour, rng: np.random.Generator, *, seam_m: float = 0.5
) -> Material:
    """Sheet metal with standing seams and streaks of weather."""
    x = np.arange(shape[1], dtype=np.float32) / (scale * seam_m)
    seam = np.exp(-(((x % 1) - 0.5) ** 2) * 900)[None, :] * np.ones(shape, np.float32)
    sheet = rng.normal(0, 0.05, int(x[-1]) + 2).astype(np.float32)[np.floor(x).astype(int)][None, :]
    streak = cv2.resize(smooth_noise((max(4, shape[0] // 40), shape[1]), 3, rng), (shape[1], shape[0])) * 0.08
    blotch = fractal_noise(shape, scale * 0.8, rng) * 0.07
    shade = 1 + sheet + streak + blotch + seam * 0.12
    return Material(to_image(np.array(colour, np.float32) * shade[..., None]), (seam * 0.03).astype(np.float32))


def mosaic(
    shape: tuple[int, int], scale: float, palette: Sequence[Colour], rng: np.random.Generator, *, size_m: float = 0.12
) -> Material:
    """Small glazed tiles in drifts of colour with pale joints."""
    rows, columns = int(shape[0] / scale / size_m) + 2, int(shape[1] / scale / size_m) + 2
    drift = fractal_noise((rows, columns), 9, rng, octaves=3) * 1.3 + rng.normal(0, 0.5, (rows, columns))
    pick = np.clip(np.round((drift * 0.33 + 0.5) * (len(palette) - 1)), 0, len(palette) - 1).astype(int)
    tone = np.array(palette, np.float32)[pick] * (1 + rng.normal(0, 0.09, (rows, columns, 1)))
    y, x = (np.arange(n, dtype=np.float32) / (scale * size_m) for n in shape)
    colour = tone[y.astype(int)[:, None], x.astype(int)[None, :]].astype(np.float32)
    gap = np.minimum(np.minimum(y % 1, 1 - y % 1)[:, None], np.minimum(x % 1, 1 - x % 1)[None, :])
    joint = np.clip(1.2 - gap / 0.07, 0, 1)[..., None]
    colour = colour * (1 - joint) + np.array((206, 200, 186), np.float32) * joint
    colour *= 1 + fractal_noise(shape, scale * 1.2, rng)[..., None] * 0.05
    return Material(to_image(colour), (0.004 * (1 - joint[..., 0])).astype(np.float32))


def foliage(shape: tuple[int, int], scale: float, colour: Colour, rng: np.random.Generator) -> Material:
    """Grass, hedge or ivy: mottled green."""
    mottle = fractal_noise(shape, scale * 0.35, rng, octaves=5)
    fine = rng.normal(0, 1, shape).astype(np.float32)
    fine = np.asarray(cv2.GaussianBlur(fine, (0, 0), max(0.8, scale * 0.012)), np.float32) * 2
    shade = 1 + 0.22 * mottle + 0.10 * fine
    green = np.array(colour, np.float32) * shade[..., None]
    green[..., 0] *= 1 + 0.15 * smooth_noise(shape, scale * 0.8, rng)
    return Material(to_image(green), (mottle * 0.03).astype(np.float32))
