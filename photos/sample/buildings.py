"""Whole buildings and streets: fronts, side walls, roofs and towers as surfaces in space."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from photos.sample.fronts import lay_material, paint_clock, paint_front
from photos.sample.paint import Colour, Painter, Texture, paint_window, toned
from photos.sample.scene import Surface, Vector
from photos.sample.town import Place, Recipe

NEIGHBOURS: Final = (
    Recipe("brick", ((170, 110, 84), (186, 126, 96)), floors=3, bays=4, roof="gable"),
    Recipe(
        "plaster",
        ((222, 196, 150), (200, 170, 120)),
        floors=3,
        bays=4,
        window="arch",
        roof="gable",
        roof_colour=(128, 68, 52),
    ),
    Recipe("plaster", ((172, 190, 186), (150, 170, 168)), floors=4, floor_m=3.2, bays=4, roof="flat"),
    # no half-timbered neighbours: their beams alone agree with Weavers' Row
    Recipe("plaster", ((204, 186, 196), (186, 166, 180)), floors=3, floor_m=3.0, bays=5, roof="gable"),
    Recipe("plaster", ((206, 150, 130), (190, 130, 110)), floors=2, bays=4, roof="gable", roof_colour=(96, 82, 84)),
    Recipe("ashlar", ((200, 192, 174), (186, 178, 160)), floors=3, bays=4, roof="flat", features=("cornice",)),
)


def build(place: Place, seed: int) -> list[Surface]:
    """Return all surfaces of a place that no view changes: its building, its neighbours, and the ground."""
    rng = np.random.default_rng(seed)
    recipe = place.recipe
    surfaces = [lay_ground(rng), *stand(recipe, 0.0, 0.0, rng), *_landmarks(recipe, rng)]
    order = rng.permutation(len(NEIGHBOURS))
    for side in (-1, 1):
        x = side * (recipe.width_m / 2 + 2.5)
        for number in range(2):
            base = NEIGHBOURS[int(order[number * 2 + (side > 0)])]
            other = replace(base, width_m=float(rng.uniform(12, 17)), depth_m=9.0)
            surfaces += stand(other, x + side * other.width_m / 2, float(rng.uniform(0.5, 3.0)), rng)
            x += side * (other.width_m + rng.uniform(0, 1.5))
    return surfaces


def stand(recipe: Recipe, x: float, y: float, rng: np.random.Generator) -> list[Surface]:
    """Return a building whose front's middle stands at (x, y)."""
    w, d, h = recipe.width_m, recipe.depth_m, recipe.floors * recipe.floor_m
    left, right = x - w / 2, x + w / 2
    side = paint_front(replace(recipe, width_m=d, bays=max(2, int(d / 3.5)), features=(), sign=""), rng, doors=False)
    return [
        Surface((left, y, h), (w, 0, 0), (0, 0, -h), paint_front(recipe, rng)),
        Surface((right, y, h), (0, d, 0), (0, 0, -h), side),
        Surface((left, y + d, h), (0, -d, 0), (0, 0, -h), side[:, ::-1].copy()),
        *_roof(recipe, x, y, rng),
    ]


def tiles(width_m: float, height_m: float, colour: Colour, rng: np.random.Generator) -> Texture:
    p = Painter(max(0.5, width_m), max(0.5, height_m), rng)
    p.courses(
        (0.36, 0.3),
        (colour, toned(colour, 0.88), toned(colour, 1.1)),
        joint=toned(colour, 0.55),
        gap=0.03,
        spread=16,
    )
    p.stain(0.2)
    return p.finish()


def cut(texture: Texture, outline: list[tuple[float, float]]) -> Texture:
    """Keep the part of a texture inside an outline given in shares of its width and height (from the top)."""
    rows, columns = texture.shape[:2]
    mask = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(mask, [np.array([(px * columns, py * rows) for px, py in outline], np.int32)], (255.0,), cv2.LINE_AA)
    result = texture.copy()
    result[..., 3] = mask
    return result


TRIANGLE: Final = [(0.0, 1.0), (0.5, 0.0), (1.0, 1.0)]


def gable_wall(recipe: Recipe, width_m: float, rise_m: float, rng: np.random.Generator) -> Texture:
    p = Painter(width_m, rise_m, rng)
    lay_material(p, replace(recipe, width_m=width_m, bays=max(2, int(width_m / 3)), floors=1))
    if "clock-gable" in recipe.features:
        paint_clock(p, width_m / 2, rise_m * 0.36, min(1.3, rise_m * 0.26), (2.1, 4.4))
    elif width_m > 5:
        paint_window(p, width_m / 2 - 0.6, rise_m * 0.18, 1.2, rise_m * 0.36, style="arch", frame=(240, 236, 228))
    return cut(p.finish(), TRIANGLE)


def _roof(recipe: Recipe, x: float, y: float, rng: np.random.Generator) -> list[Surface]:
    w, d, h = recipe.width_m, recipe.depth_m, recipe.floors * recipe.floor_m
    colour = recipe.roof_colour
    match recipe.roof:
        case "gable" | "hip":
            return _long_roof(recipe, x, y, rng, hipped=recipe.roof == "hip")
        case "steep" | "pediment":
            return _cross_roof(recipe, x, y, w, w * (0.75 if recipe.roof == "steep" else 0.2), rng)
        case "row":
            count = 3
            houses = [
                _cross_roof(recipe, x - w / 2 + (i + 0.5) * w / count, y, w / count, rng.uniform(3.4, 4.6), rng)
                for i in range(count)
            ]
            return [surface for house in houses for surface in house]
        case "barrel":
            return _barrel(recipe, x, y, rng)
        case "dome":
            return [
                Surface((x - w / 2, y, h), (w, 0, 0), (0, d, 0), tiles(w, d, (200, 190, 170), rng)),
                *_dome(x, y + d * 0.45, h, 5.6, colour, rng),
            ]
    parapet = Painter(w, 1.0, rng)
    lay_material(parapet, replace(recipe, material="plaster"))
    return [
        Surface((x - w / 2, y + d, h), (w, 0, 0), (0, -d, 0), tiles(w, d, colour, rng)),
        Surface((x - w / 2, y - 0.1, h + 1.0), (w, 0, 0), (0, 0, -1.0), parapet.finish()),
    ]


def _long_roof(recipe: Recipe, x: float, y: float, rng: np.random.Generator, *, hipped: bool) -> list[Surface]:
    """Ridge along the front."""
    w, d, h = recipe.width_m, recipe.depth_m, recipe.floors * recipe.floor_m
    rise = d * 0.42
    front = tiles(w + 0.8, float(np.hypot(d / 2, rise)), recipe.roof_colour, rng)
    if hipped:
        front = cut(front, [(0, 1), (0.16, 0), (0.84, 0), (1, 1)])
    surfaces = [
        Surface((x - w / 2 - 0.4, y + d / 2, h + rise), (w + 0.8, 0, 0), (0, -d / 2 - 0.5, -rise - 0.25), front)
    ]
    for side in (-1, 1):
        edge = x + side * w / 2
        if hipped:
            slope = cut(tiles(d, rise * 1.3, recipe.roof_colour, rng), TRIANGLE)
            surfaces.append(
                Surface((edge - side * w * 0.16, y, h + rise), (0, d, 0), (side * w * 0.16, 0, -rise), slope)
            )
        else:
            wall = gable_wall(replace(recipe, features=()), d, rise, rng)
            surfaces.append(Surface((edge, y, h + rise), (0, d, 0), (0, 0, -rise), wall))
    if "clock-gable" in recipe.features:
        surfaces += _cross_roof(recipe, x, y - 0.05, 8.0, 4.6, rng)
    return surfaces


def _cross_roof(recipe: Recipe, x: float, y: float, w: float, rise: float, rng: np.random.Generator) -> list[Surface]:
    """A gable towards the viewer with its two slopes behind it."""
    d, h = recipe.depth_m, recipe.floors * recipe.floor_m
    slope = tiles(d, float(np.hypot(w / 2, rise)), recipe.roof_colour, rng)
    return [
        Surface((x - w / 2, y, h + rise), (w, 0, 0), (0, 0, -rise), gable_wall(recipe, w, rise, rng)),
        Surface((x, y - 0.3, h + rise), (0, d, 0), (w / 2 + 0.3, 0, -rise - 0.2), slope),
        Surface((x, y - 0.3, h + rise), (0, d, 0), (-w / 2 - 0.3, 0, -rise - 0.2), slope),
    ]


def _barrel(recipe: Recipe, x: float, y: float, rng: np.random.Generator) -> list[Surface]:
    """A vaulted roof of glass over the whole width, with a fan light in front."""
    w, d, h = recipe.width_m, recipe.depth_m, recipe.floors * recipe.floor_m
    rise, steps = w * 0.3, 8
    fan = Painter(w, rise, rng)
    fan.pixels[:] = (120, 146, 154)
    for number in range(11):
        angle = np.pi * number / 10
        fan.line((w / 2, 0), (w / 2 - w / 2 * np.cos(angle), rise * np.sin(angle)), 0.16, recipe.palette[1])
        fan.disc(w / 2 - w * 0.3 * np.cos(angle), rise * 0.6 * np.sin(angle), 0.5, fan.jitter((190, 150, 90), 50))
    fan.letters("1888", w / 2, rise * 0.3, 1.5, (246, 230, 180))
    fan.stain()
    angles = np.linspace(0, np.pi, 24)
    surfaces = [
        Surface(
            (x - w / 2, y, h + rise),
            (w, 0, 0),
            (0, 0, -rise),
            cut(fan.finish(), [(0.5 - 0.5 * np.cos(a), 1 - np.sin(a)) for a in angles]),
        )
    ]
    edges = [(x - w / 2 * np.cos(a), h + rise * np.sin(a)) for a in np.linspace(0, np.pi, steps + 1)]
    for (x0, z0), (x1, z1) in pairwise(edges):
        glass = Painter(d, float(np.hypot(x1 - x0, z1 - z0)), rng)
        glass.courses((1.6, 1.0), ((150, 172, 178), (170, 190, 194), (130, 156, 164)), joint=recipe.palette[1], gap=0.1)
        surfaces.append(Surface((x1, y, z1), (0, d, 0), (x0 - x1, 0, z0 - z1), glass.finish()))
    return surfaces


def _ring(
    x: float, y: float, bottom: tuple[float, float], top: tuple[float, float], paint: Texture, sides: int = 14
) -> list[Surface]:
    """A ring of trapezia between (radius, height) at the bottom and at the top, with one texture wrapped around it."""
    columns = paint.shape[1] // sides
    surfaces = []
    (r0, z0), (r1, z1) = bottom, top
    inset = 0.5 * (1 - r1 / r0) if r0 else 0.0
    for number in range(sides):
        a, b = (2 * np.pi * n / sides for n in (number, number + 1))
        (ax, ay), (bx, by) = ((x + r0 * np.cos(t), y + r0 * np.sin(t)) for t in (a, b))
        middle = np.array([(ax + bx) / 2, (ay + by) / 2])
        up = np.array([x, y]) + (middle - (x, y)) * (r1 / r0)
        shift = up - middle
        part = paint[:, number * columns : (number + 1) * columns]
        if inset > 0.01:
            part = cut(part, [(0, 1), (inset, 0), (1 - inset, 0), (1, 1)])
        corner = (ax + shift[0], ay + shift[1], z1)
        surfaces.append(
            Surface(corner, (bx - ax, by - ay, 0), (-shift[0], -shift[1], z0 - z1), np.ascontiguousarray(part))
        )
    return surfaces


def _dome(x: float, y: float, z: float, radius: float, colour: Colour, rng: np.random.Generator) -> list[Surface]:
    surfaces = _ring(x, y, (radius, z), (radius, z + 2.2), _band(radius, 2.2, rng))
    angles = np.linspace(0, np.pi / 2 - 0.12, 6)
    for low, high in pairwise(angles):
        paint = tiles(2 * np.pi * radius, 2.0, colour, rng)
        rings = [(radius * float(np.cos(a)), z + 2.2 + radius * 0.9 * float(np.sin(a))) for a in (low, high)]
        surfaces += _ring(x, y, rings[0], rings[1], paint)
    return surfaces


def _band(radius: float, height: float, rng: np.random.Generator) -> Texture:
    p = Painter(2 * np.pi * radius, height, rng)
    p.courses((0.3, 0.3), ((40, 92, 128), (228, 220, 190), (86, 168, 172)), joint=(230, 226, 210))
    for number in range(14):
        p.arch(number * p.width_m / 14 + 0.6, 0.3, 1.2, 1.5, p.jitter((50, 60, 70), 10))
    return p.finish()


def _landmarks(recipe: Recipe, rng: np.random.Generator) -> list[Surface]:
    h = recipe.floors * recipe.floor_m
    surfaces: list[Surface] = []
    for feature in recipe.features:
        match feature:
            case "clock-tower":
                surfaces += _tower(recipe, (0.0, 3.0), 5.0, h + 11, rng, clock=True, spire_m=6.5)
            case "spire":
                surfaces += _tower(recipe, (-recipe.width_m / 2 - 2.2, 2.0), 5.4, h + 9, rng, clock=False, spire_m=15)
            case "chimney":
                paint = Painter(2 * np.pi * 1.5, h + 9, rng)
                paint.courses((0.5, 0.2), recipe.palette, joint=(150, 130, 116))
                surfaces += _ring(recipe.width_m / 2 + 3.4, 3.0, (1.5, 0.0), (1.1, h + 9), paint.finish(), 10)
            case "lighthouse":
                surfaces += _lighthouse(recipe.width_m / 2 + 5.2, 3.5, rng)
            case "lantern":
                surfaces += _ring(0, 6, (2.2, h + 7), (2.2, h + 9.5), _band(2.2, 2.5, rng), 8)
                surfaces += _ring(0, 6, (2.6, h + 9.5), (0.3, h + 12), tiles(16, 3, recipe.roof_colour, rng), 8)
    return surfaces


def _tower(
    recipe: Recipe,
    foot: tuple[float, float],
    w: float,
    height: float,
    rng: np.random.Generator,
    *,
    clock: bool,
    spire_m: float,
) -> list[Surface]:
    x, y = foot
    surfaces = []
    for corner, across in (((x - w / 2, y), (w, 0.0)), ((x + w / 2, y), (0.0, w)), ((x - w / 2, y + w), (0.0, -w))):
        p = Painter(w, height, rng)
        lay_material(p, replace(recipe, width_m=w, bays=2, floors=4))
        for level in np.arange(2.0, height - 5, 4.5):
            paint_window(
                p,
                w / 2 - 0.55,
                float(level),
                1.1,
                2.2,
                style="gothic" if recipe.window == "gothic" else "arch",
                frame=(230, 226, 214),
            )
        if clock:
            paint_clock(p, w / 2, height - 2.4, 1.7, (rng.uniform(0, 6), rng.uniform(0, 6)))
        else:
            for side in (0.18, 0.54):
                p.arch(w * side, height - 4.4, w * 0.28, 3.6, (58, 54, 58), pointed=True)
        p.box(0, height - 0.4, w, 0.4, p.jitter((214, 206, 190), 10))
        surfaces.append(Surface((*corner, height), (*across, 0), (0, 0, -height), p.finish()))
    for corner, across, down in (
        ((x - w / 2, y + w / 2), (w, 0.0), (0.0, -w / 2)),
        ((x, y), (0.0, w), (w / 2, 0.0)),
        ((x, y + w), (0.0, -w), (-w / 2, 0.0)),
    ):
        slope = cut(tiles(w, spire_m, recipe.roof_colour, rng), TRIANGLE)
        surfaces.append(Surface((*corner, height + spire_m), (*across, 0), (*down, -spire_m), slope))
    return surfaces


def _lighthouse(x: float, y: float, rng: np.random.Generator) -> list[Surface]:
    surfaces = []
    height, bands = 22.0, 5
    for number in range(bands):
        low, high = (height * share / bands for share in (number, number + 1))
        radii = [3.2 - 1.1 * z / height for z in (low, high)]
        p = Painter(2 * np.pi * radii[0], high - low, rng)
        p.courses(
            (0.9, 0.5),
            ((200, 54, 46), (184, 44, 40)) if number % 2 else ((240, 236, 228), (226, 222, 212)),
            joint=(170, 150, 140),
        )
        for _ in range(5):
            paint_window(p, rng.uniform(0.5, p.width_m - 1.2), 1.2, 0.6, 1.4, style="rect", frame=(60, 60, 60))
        p.stain()
        surfaces += _ring(x, y, (radii[0], low), (radii[1], high), p.finish())
    lamp = Painter(2 * np.pi * 1.6, 2.4, rng, base=(250, 236, 170))
    for number in range(14):
        lamp.box(number * lamp.width_m / 14, 0, 0.14, 2.4, (60, 60, 62))
    surfaces += _ring(x, y, (1.6, height), (1.6, height + 2.4), lamp.finish())
    return surfaces + _ring(x, y, (2.1, height + 2.4), (0.2, height + 4.4), tiles(14, 3, (150, 44, 40), rng))


def lay_ground(rng: np.random.Generator) -> Surface:
    """Paving of setts with repairs, gullies and drain covers, 80 m square."""
    p = Painter(80, 80, rng, density=22)
    base = ((190, 182, 168), (178, 170, 158), (200, 190, 174), (168, 162, 152))
    p.courses((0.34, 0.3), base, joint=(140, 132, 122), gap=0.05, spread=9)
    for _ in range(26):
        x, y, w, h = rng.uniform(0, 74), rng.uniform(0, 74), rng.uniform(1.5, 6), rng.uniform(1, 4)
        p.shade(float(x), float(y), float(w), float(h), float(rng.uniform(0.82, 1.14)))
    for _ in range(14):
        p.disc(float(rng.uniform(2, 78)), float(rng.uniform(30, 72)), 0.45, (92, 90, 88))
    p.stain(0.1)
    corner: Vector = (-40.0, 14.0, 0.0)
    return Surface(corner, (80, 0, 0), (0, -80, 0), p.finish())
