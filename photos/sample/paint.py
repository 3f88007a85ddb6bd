"""Painting the sample town's surfaces: every stone, board and window is its own, so that places can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Texture: TypeAlias = NDArray[np.uint8]
"""(H, W, 4) uint8 RGBA, row 0 at the top of the surface."""
Colour: TypeAlias = tuple[float, float, float]

PIXELS_PER_METRE = 40


def toned(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker or lighter."""
    red, green, blue = colour
    return red * factor, green * factor, blue * factor


def random_colour(rng: np.random.Generator) -> Colour:
    red, green, blue = (float(c) for c in rng.uniform(30, 240, 3))
    return red, green, blue


def smooth_noise(
    shape: tuple[int, int], cell: float, rng: np.random.Generator, *, octaves: int = 3
) -> NDArray[np.float32]:
    """Return (H, W) float32 of about -1..1: noise whose features measure `cell` pixels, and finer ones."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        size = max(2.0, cell / 2**octave)
        grid = rng.uniform(-1, 1, (int(shape[0] / size) + 2, int(shape[1] / size) + 2)).astype(np.float32)
        total += cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total / 1.5


@dataclass
class Painter:
    """A surface being painted, in metres from its lower left corner."""

    width_m: float
    height_m: float
    rng: np.random.Generator
    base: Colour = (200, 190, 175)
    density: float = PIXELS_PER_METRE

    def __post_init__(self) -> None:
        self.shape = (max(8, round(self.height_m * self.density)), max(8, round(self.width_m * self.density)))
        self.pixels = np.full((*self.shape, 3), self.base, np.float32)
        self.alpha = np.full(self.shape, 255, np.uint8)

    def corner(self, x: float, y: float) -> tuple[int, int]:
        """Pixels of a point given in metres."""
        return round(x * self.density), round(self.shape[0] - y * self.density)

    def jitter(self, colour: Colour, amount: float = 14) -> Colour:
        shift = self.rng.normal(0, amount)
        red, green, blue = (float(np.clip(c + shift + self.rng.normal(0, amount / 3), 0, 255)) for c in colour)
        return red, green, blue

    def box(self, x: float, y: float, w: float, h: float, colour: Colour) -> None:
        cv2.rectangle(self.pixels, self.corner(x, y + h), self.corner(x + w, y), colour, -1)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        corners = np.array([self.corner(x, y) for x, y in points], np.int32)
        cv2.fillPoly(self.pixels, [corners], colour, cv2.LINE_AA)

    def line(self, a: tuple[float, float], b: tuple[float, float], width: float, colour: Colour) -> None:
        thickness = max(1, round(width * self.density))
        cv2.line(self.pixels, self.corner(*a), self.corner(*b), colour, thickness, cv2.LINE_AA)

    def disc(self, x: float, y: float, radius: float, colour: Colour, *, width: float = 0) -> None:
        thickness = -1 if not width else max(1, round(width * self.density))
        cv2.circle(self.pixels, self.corner(x, y), max(1, round(radius * self.density)), colour, thickness, cv2.LINE_AA)

    def arch(self, x: float, y: float, w: float, h: float, colour: Colour, *, pointed: bool = False) -> None:
        """A round or pointed arched opening with its sill at y."""
        rise = w * (0.8 if pointed else 0.5)
        spring = max(0.1, h - rise)
        self.box(x, y, w, spring, colour)
        steps = np.linspace(0, 1, 14)
        if pointed:
            left = [(x + w / 2 * (1 - np.cos(t * np.pi / 2)), y + spring + rise * np.sin(t * np.pi / 2)) for t in steps]
            right = [(2 * x + w - px, py) for px, py in reversed(left)]
            self.polygon([*left, *right], colour)
        else:
            self.polygon(
                [(x + w / 2 - w / 2 * np.cos(t * np.pi), y + spring + rise * np.sin(t * np.pi)) for t in steps], colour
            )

    def shade(self, x: float, y: float, w: float, h: float, factor: float) -> None:
        (left, top), (right, bottom) = self.corner(x, y + h), self.corner(x + w, y)
        self.pixels[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] *= factor

    def courses(
        self,
        size: tuple[float, float],
        palette: Sequence[Colour],
        *,
        joint: Colour,
        gap: float = 0.02,
        spread: float = 16,
    ) -> None:
        """Lay rows of bricks, stones or boards, no two alike."""
        self.pixels[:] = joint
        y = 0.0
        while y < self.height_m:
            height = size[1] * self.rng.uniform(0.85, 1.15)
            x = -self.rng.uniform(0, size[0])
            while x < self.width_m:
                width = size[0] * self.rng.uniform(0.6, 1.4)
                colour = self.jitter(palette[int(self.rng.integers(len(palette)))], spread)
                self.box(x + gap / 2, y + gap / 2, width - gap, height - gap, colour)
                x += width
            y += height

    def stain(self, strength: float = 0.13) -> None:
        """Weather the surface: blotches, runs of water, and fine grain."""
        blotch = smooth_noise(self.shape, 3.0 * self.density, self.rng)
        runs = cv2.resize(smooth_noise((max(4, self.shape[0] // 40), self.shape[1]), 10, self.rng), self.shape[::-1])
        grain = self.rng.normal(0, 0.035, self.shape).astype(np.float32)
        self.pixels *= (1 + strength * blotch + 0.5 * strength * runs + grain)[..., None]

    def letters(
        self, text: str, x: float, y: float, height: float, colour: Colour, *, width: float | None = None
    ) -> None:
        """Write centred on (x, y) in Pillow's own typeface."""
        font = ImageFont.load_default(max(8.0, height * self.density))
        left, top, right, bottom = ImageDraw.Draw(Image.new("L", (4, 4))).textbbox((0, 0), text, font=font)
        sheet = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
        ImageDraw.Draw(sheet).text((2 - left, 2 - top), text, 255, font=font)
        if width is not None and sheet.width > width * self.density:
            share = width * self.density / sheet.width
            sheet = sheet.resize((max(4, int(sheet.width * share)), max(4, int(sheet.height * share))))
        mask = np.asarray(sheet, np.float32)[..., None] / 255
        middle_x, middle_y = self.corner(x, y)
        self.blend(mask, np.array(colour, np.float32), middle_x - mask.shape[1] // 2, middle_y - mask.shape[0] // 2)

    def blend(self, mask: NDArray[np.floating], colour: NDArray[np.float32], left: int, top: int) -> None:
        rows = slice(max(0, top), min(self.shape[0], top + mask.shape[0]))
        columns = slice(max(0, left), min(self.shape[1], left + mask.shape[1]))
        part = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        if part.size:
            self.pixels[rows, columns] = self.pixels[rows, columns] * (1 - part) + colour * part

    def finish(self) -> Texture:
        return np.dstack((np.clip(self.pixels, 0, 255).astype(np.uint8), self.alpha))


def paint_window(p: Painter, x: float, y: float, w: float, h: float, *, style: str, frame: Colour) -> None:
    """Paint one window with its own curtains, reflections and sill."""
    rng = p.rng
    pointed, arched = style == "gothic", style in {"arch", "gothic"}
    surround = p.jitter((222, 214, 198), 8)
    glass = p.jitter((62, 78, 92), 16)
    draw = (lambda a, b, c, d, colour: p.arch(a, b, c, d, colour, pointed=pointed)) if arched else p.box
    draw(x - 0.12, y - 0.1, w + 0.24, h + 0.22, surround)
    draw(x, y, w, h, glass)
    lower = h * (0.55 if arched else 0.95)
    if rng.random() < 0.75:  # curtains, drawn as far as somebody left them
        cloth = p.jitter(((236, 228, 210), (190, 120, 96), (120, 146, 160), (214, 190, 120))[int(rng.integers(4))], 18)
        for side in (0, 1):
            share = rng.uniform(0.08, 0.42)
            p.box(
                x + (0 if side == 0 else w * (1 - share)),
                y + h * rng.uniform(0.02, 0.3),
                w * share,
                lower * 0.65,
                cloth,
            )
    if rng.random() < 0.5:
        p.polygon(
            [(x + w * 0.1, y), (x + w * rng.uniform(0.2, 0.5), y), (x + w * 0.7, y + lower), (x + w * 0.5, y + lower)],
            p.jitter((116, 136, 150), 14),
        )
    for share in (0.5,) if w < 1.3 else (0.33, 0.66):
        p.box(x + w * share - 0.03, y, 0.06, lower, frame)
    for share in (0.36, 0.72)[: 1 + int(rng.integers(2))]:
        p.box(x, y + h * share, w, 0.05, frame)
    p.box(x - 0.18, y - 0.16, w + 0.36, 0.12, p.jitter((206, 198, 184), 12))
    p.shade(x - 0.1, y - 0.42, w + 0.2, 0.26, 0.86)
    if rng.random() < 0.35:
        paint_plants(p, x, y - 0.05, w, 0.35)


def paint_plants(p: Painter, x: float, y: float, w: float, h: float) -> None:
    for _ in range(int(14 * w)):
        colour = p.jitter(
            ((62, 108, 54), (88, 132, 60), (200, 60, 70), (232, 180, 60), (226, 226, 232))[int(p.rng.integers(5))], 16
        )
        p.disc(x + p.rng.uniform(0, w), y + p.rng.uniform(0, h), p.rng.uniform(0.04, 0.1), colour)


def paint_door(p: Painter, x: float, w: float, h: float, *, arched: bool) -> None:
    colour = p.jitter(((96, 58, 38), (40, 74, 66), (122, 34, 34), (44, 58, 92))[int(p.rng.integers(4))], 10)
    draw = p.arch if arched else p.box
    draw(x - w / 2 - 0.25, 0, w + 0.5, h + 0.3, p.jitter((208, 200, 184), 8))
    draw(x - w / 2, 0, w, h, colour)
    for column in range(max(2, int(w / 0.5))):
        left = x - w / 2 + 0.1 + column * (w - 0.1) / max(2, int(w / 0.5))
        for row in range(3):
            p.box(left, 0.25 + row * h * 0.24, 0.28, h * 0.18, toned(colour, p.rng.uniform(0.72, 0.9)))
    p.disc(x + 0.08, h * 0.42, 0.06, (206, 176, 84))
    p.box(x - w / 2 - 0.4, -0.02, w + 0.8, 0.14, (172, 166, 156))


def paint_poster(p: Painter, x: float, y: float) -> None:
    """A poster of blocks, discs and a few letters that no other wall has."""
    w, h = p.rng.uniform(0.7, 1.2), p.rng.uniform(0.9, 1.5)
    p.box(x, y, w, h, p.jitter((236, 226, 196), 20))
    for _ in range(9):
        colour = random_colour(p.rng)
        if p.rng.random() < 0.5:
            p.disc(
                x + p.rng.uniform(0.15, w - 0.15), y + p.rng.uniform(0.15, h - 0.15), p.rng.uniform(0.05, 0.18), colour
            )
        else:
            p.box(
                x + p.rng.uniform(0, w * 0.7),
                y + p.rng.uniform(0, h * 0.8),
                w * p.rng.uniform(0.1, 0.3),
                h * p.rng.uniform(0.05, 0.2),
                colour,
            )
    word = "".join(chr(int(c)) for c in p.rng.integers(65, 91, 5))
    p.letters(word, x + w / 2, y + h * 0.88, 0.2, (30, 30, 36), width=w * 0.9)
