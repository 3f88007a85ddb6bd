"""A wall to draw on, in metres: colour, relief, and what glows at night."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from photos.sample.materials import Material, to_image
from photos.sample.noise import Colour, Field, blur, fractal_noise, smooth_noise
from photos.vision.types import Image

Points = Sequence[tuple[float, float]]
Maker = Callable[[tuple[int, int], float, np.random.Generator], Material]
"""Makes a material for a shape in pixels, at pixels a metre."""

SUBPIXEL_BITS = 4


@dataclass(frozen=True, eq=False)
class Texture:
    """What a surface is painted with; `scale` in pixels a metre.

    `colour` (H, W, 3) uint8; `opacity` (H, W) uint8 or None (solid); `relief` (H, W) float32 metres or None (flat);
    `glow` (H, W) uint8, light given off after dark, or None.
    """

    colour: Image
    scale: float
    opacity: Image | None = None
    relief: Field | None = None
    glow: Image | None = None


def rectangle(x: float, y: float, width: float, height: float) -> Points:
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def circle(x: float, y: float, radius: float, *, start_deg: float = 0, end_deg: float = 360) -> Points:
    angles = np.radians(np.linspace(start_deg, end_deg, 49))
    return [(float(x + radius * np.cos(a)), float(y + radius * np.sin(a))) for a in angles]


def round_arch(x: float, y: float, width: float, height: float) -> Points:
    """An opening with a half-round head; `height` to the crown."""
    radius = width / 2
    head = circle(x + radius, y + height - radius, radius, start_deg=0, end_deg=180)
    return [(x, y), (x + width, y), *head]


def pointed_arch(x: float, y: float, width: float, height: float) -> Points:
    """A Gothic opening: two arcs struck from the opposite springing points."""
    spring = y + height - width * np.sqrt(3) / 2
    right = circle(x, float(spring), width, start_deg=0, end_deg=60)
    left = circle(x + width, float(spring), width, start_deg=120, end_deg=180)
    return [(x, y), (x + width, y), *right, *left]


def segment_arch(x: float, y: float, width: float, height: float, *, rise: float = 0.25) -> Points:
    """An opening with a flat curved head of `rise` metres."""
    t = np.linspace(1, 0, 17)
    return [(x, y), (x + width, y)] + [
        (float(x + width * s), float(y + height - rise + rise * 4 * s * (1 - s))) for s in t
    ]


class Canvas:
    """Draws a texture in metres: x to the right from the left edge, y up from the lower edge."""

    def __init__(
        self, width_m: float, height_m: float, rng: np.random.Generator, *, scale: float = 48.0, clear: bool = False
    ) -> None:
        self.width_m, self.height_m, self.scale, self.rng = width_m, height_m, scale, rng
        self.shape = (round(height_m * scale), round(width_m * scale))
        self.colour: Image = np.full((*self.shape, 3), 200, np.uint8)
        self.relief: Field = np.zeros(self.shape, np.float32)
        self.glow: Image = np.zeros(self.shape, np.uint8)
        self.opacity: Image | None = np.zeros(self.shape, np.uint8) if clear else None

    def pixels(self, points: Points) -> NDArray[np.int32]:
        """Fixed-point pixel coordinates for OpenCV."""
        array = np.array(points, np.float64) * self.scale
        array[:, 1] = self.shape[0] - array[:, 1]
        return np.round((array - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)

    def fill(
        self, points: Points, colour: Colour | None = None, *, relief: float | None = None, glow: float | None = None
    ) -> None:
        """Fill a polygon; `relief` in metres from the wall's plane, `glow` 0..255."""
        polygon = [self.pixels(points)]
        if colour is not None:
            cv2.fillPoly(self.colour, polygon, colour, cv2.LINE_AA, SUBPIXEL_BITS)
            if self.opacity is not None:
                cv2.fillPoly(self.opacity, polygon, (255.0,), cv2.LINE_AA, SUBPIXEL_BITS)
        if relief is not None:
            cv2.fillPoly(self.relief, polygon, (relief,), cv2.LINE_8, SUBPIXEL_BITS)
        if glow is not None:
            cv2.fillPoly(self.glow, polygon, (glow,), cv2.LINE_8, SUBPIXEL_BITS)

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: Colour | None = None,
        *,
        relief: float | None = None,
        glow: float | None = None,
    ) -> None:
        self.fill(rectangle(x, y, width, height), colour, relief=relief, glow=glow)

    def line(self, points: Points, width_m: float, colour: Colour, *, relief: float | None = None) -> None:
        """A stroke of even width along `points`."""
        thickness = max(1, round(width_m * self.scale))
        path = [self.pixels(points)]
        cv2.polylines(self.colour, path, False, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
        if self.opacity is not None:
            cv2.polylines(self.opacity, path, False, (255.0,), thickness, cv2.LINE_AA, SUBPIXEL_BITS)
        if relief is not None:
            cv2.polylines(self.relief, path, False, (relief,), thickness, cv2.LINE_8, SUBPIXEL_BITS)

    def cover(self, maker: Maker, points: Points | None = None, *, relief: float = 0.0) -> None:
        """Cover a polygon (or everything) with a material that stands `relief` metres before the wall's plane."""
        rows, columns, mask = self._window(points)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        if min(shape) < 1:
            return
        material = maker(shape, self.scale, self.rng)
        part = mask.astype(np.float32)[..., None] / 255
        blended = self.colour[rows, columns] * (1 - part) + material.colour * part
        self.colour[rows, columns] = np.round(blended).astype(np.uint8)
        solid = mask > 127
        self.relief[rows, columns][solid] = material.relief[solid] + relief
        if self.opacity is not None:
            np.maximum(self.opacity[rows, columns], mask, out=self.opacity[rows, columns])

    def _window(self, points: Points | None) -> tuple[slice, slice, Image]:
        """The rows and columns around a polygon, and its coverage 0..255 inside them."""
        if points is None:
            return slice(0, self.shape[0]), slice(0, self.shape[1]), np.full(self.shape, 255, np.uint8)
        polygon = self.pixels(points)
        low = np.maximum(polygon.min(axis=0) >> SUBPIXEL_BITS, 0)
        high = np.minimum((polygon.max(axis=0) >> SUBPIXEL_BITS) + 2, self.shape[::-1])
        high = np.maximum(high, low)
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        if mask.size:
            cv2.fillPoly(mask, [polygon - (low << SUBPIXEL_BITS)], (255.0,), cv2.LINE_AA, SUBPIXEL_BITS)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])), mask

    def shade(self, points: Points, factor: float, *, soft_m: float = 0.0) -> None:
        """Darken or lighten a polygon, with edges blurred over `soft_m` metres."""
        pad = soft_m * 2
        array = np.array(points)
        low, high = array.min(axis=0) - pad, array.max(axis=0) + pad
        rows, columns, _ = self._window(rectangle(*low, *(high - low)))
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        if min(shape) < 1:
            return
        mask = np.zeros(shape, np.uint8)
        shift = np.array((columns.start, rows.start)) << SUBPIXEL_BITS
        cv2.fillPoly(mask, [(self.pixels(points) - shift).astype(np.int32)], (255.0,), cv2.LINE_AA, SUBPIXEL_BITS)
        part = blur(mask.astype(np.float32) / 255, soft_m * self.scale)[..., None]
        self.colour[rows, columns] = to_image(self.colour[rows, columns] * (1 + (factor - 1) * part))

    def text(
        self,
        text: str,
        x: float,
        y: float,
        height_m: float,
        colour: Colour,
        *,
        width_m: float | None = None,
        upright: bool = False,
        fade: float = 0.0,
        relief: float | None = None,
        glow: float | None = None,
    ) -> None:
        """Letters centred on (x, y); `height_m` of a line, at most `width_m` wide; `upright` stacks the letters."""
        mask = lettering("\n".join(text) if upright else text, height_m * self.scale)
        limit = None if width_m is None else width_m * self.scale
        if limit is not None and mask.shape[1] > limit:
            size = (max(1, int(limit)), mask.shape[0])
            mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
        self.stamp(mask, x, y, colour, fade=fade, relief=relief, glow=glow)

    def stamp(
        self,
        mask: Image,
        x: float,
        y: float,
        colour: Colour,
        *,
        fade: float = 0.0,
        relief: float | None = None,
        glow: float | None = None,
    ) -> None:
        """Print `mask` (h, w) uint8 centred on (x, y); `fade` 0..1 wears it off in places."""
        top = round(self.shape[0] - y * self.scale - mask.shape[0] / 2)
        left = round(x * self.scale - mask.shape[1] / 2)
        rows = slice(max(0, top), max(0, min(self.shape[0], top + mask.shape[0])))
        columns = slice(max(0, left), max(0, min(self.shape[1], left + mask.shape[1])))
        mask = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        if not mask.size:
            return
        part = mask.astype(np.float32) / 255
        if fade:
            shape = (mask.shape[0], mask.shape[1])
            wear = fractal_noise(shape, self.scale * 0.5, self.rng, octaves=4) * 0.6
            part = part * np.clip(1 - fade + wear * fade * 1.6, 0, 1)
        target = self.colour[rows, columns]
        self.colour[rows, columns] = to_image(
            target * (1 - part[..., None]) + np.array(colour, np.float32) * part[..., None]
        )
        if relief is not None:
            self.relief[rows, columns][mask > 127] = relief
        if glow is not None:
            self.glow[rows, columns][mask > 127] = int(glow)
        if self.opacity is not None:
            np.maximum(self.opacity[rows, columns], mask, out=self.opacity[rows, columns])

    def weather(self, strength: float = 1.0, *, base: float = 1.0) -> None:
        """Dirt as rain and time leave it: streaks, blotches, a damp foot, grime in corners."""
        shape, scale = self.shape, self.scale
        occlusion = np.clip(self.relief - blur(self.relief, scale * 0.22), -0.25, 0)
        streak = smooth_noise((max(3, shape[0] // 70), shape[1]), max(2.0, scale * 0.05), self.rng)
        streak = np.asarray(cv2.resize(streak, (shape[1], shape[0])), np.float32)
        cloud = fractal_noise(shape, scale * 2.2, self.rng, octaves=4)
        height = (shape[0] - np.arange(shape[0], dtype=np.float32)) / scale
        foot = np.exp(-height / 0.7)[:, None] * (0.25 + 0.12 * fractal_noise(shape, scale * 0.6, self.rng))
        shade = 1 + strength * (0.05 * cloud + 0.06 * np.clip(streak * cloud, -1, 0.2)) + occlusion * 2.2
        shade -= base * strength * foot
        self.colour = to_image(self.colour * np.clip(shade, 0.3, 1.3)[..., None])

    def texture(self) -> Texture:
        relief = self.relief if float(np.ptp(self.relief)) > 0 else None
        return Texture(
            self.colour, self.scale, self.opacity, relief, self.glow if int(self.glow.max(initial=0)) else None
        )


def lettering(text: str, line_px: float) -> Image:
    """(h, w) uint8 coverage of `text` in Pillow's own typeface, cropped to its ink."""
    font = ImageFont.load_default(max(6.0, line_px * 1.25))
    box = ImageDraw.Draw(PillowImage.new("L", (1, 1))).multiline_textbbox((0, 0), text, font=font, align="center")
    size = (int(box[2] - box[0]) + 4, int(box[3] - box[1]) + 4)
    sheet = PillowImage.new("L", size, 0)
    ImageDraw.Draw(sheet).multiline_text((2 - box[0], 2 - box[1]), text, fill=255, font=font, align="center")
    return np.asarray(sheet, dtype=np.uint8)
