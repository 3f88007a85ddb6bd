"""An invented town larger than the sample's: places put together from its twelve, seen from anywhere in front."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.sample.buildings import build
from photos.sample.scene import Camera, render
from photos.sample.street import LIGHTS, develop, occlude, paint_sky
from photos.sample.town import PLACES, Place
from photos.sample.views import position_of

SPACING_M = 260.0
WEATHERS = ("", "", "haze", "rain")


@dataclass(frozen=True, eq=False)
class View:
    """A drawn picture, (H, W, 3) uint8, of the place of that number; degrees WGS 84 of its camera."""

    place: int
    pixels: NDArray[np.uint8]
    latitude: float
    longitude: float


def invent_place(number: int) -> Place:
    """Return a place with the shape of one of the twelve, and the walls, windows and colours of others."""
    rng = np.random.default_rng((7, number))
    base, walls, looks = (
        PLACES[int(index)].recipe for index in (number % len(PLACES), *rng.integers(0, len(PLACES), 2))
    )
    recipe = replace(
        base,
        material=walls.material,
        palette=walls.palette,
        window=looks.window,
        roof_colour=looks.roof_colour,
        width_m=base.width_m * float(rng.uniform(0.85, 1.15)),
        floors=max(2, base.floors + int(rng.integers(-1, 2))),
        bays=max(3, base.bays + int(rng.integers(-2, 3))),
        sign="".join(chr(65 + int(letter)) for letter in rng.integers(0, 26, 6)) if base.sign else "",
    )
    east, north = SPACING_M * (number % 8), SPACING_M * (number // 8)
    return replace(
        PLACES[number % len(PLACES)],
        slug=f"place-{number}",
        name=f"Place {number}",
        east_m=east + float(rng.uniform(-40, 40)),
        north_m=north + float(rng.uniform(-40, 40)),
        faces_deg=float(rng.uniform(0, 360)),
        recipe=recipe,
    )


def draw_views(number: int, views: int, *, scale: float) -> Iterator[View]:
    """Draw views of one place, each from a spot, in a light and behind passers-by of its own."""
    place = invent_place(number)
    surfaces = build(place, seed=40_000 + number)
    for view in range(views):
        rng = np.random.default_rng((8, number, view))
        camera = _camera(place, rng, scale)
        light = LIGHTS[sorted(LIGHTS)[int(rng.integers(0, len(LIGHTS)))]]
        before = occlude(rng, width_m=place.recipe.width_m, camera=camera, count=int(rng.integers(2, 5)))
        picture = render([*surfaces, *before], camera, light, paint_sky(camera, light, rng))
        picture = np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.5), np.float32)
        latitude, longitude, _bearing = position_of(place, camera)
        weather = WEATHERS[int(rng.integers(0, len(WEATHERS)))]
        yield View(number, develop(picture, weather=weather, rng=rng), latitude, longitude)


def _camera(place: Place, rng: np.random.Generator, scale: float) -> Camera:
    recipe = place.recipe
    height = recipe.floors * recipe.floor_m
    x = float(rng.uniform(-0.5, 0.5)) * recipe.width_m
    y = -float(rng.uniform(1.1, 1.75)) * max(recipe.width_m, height * 1.1)
    target = (float(rng.uniform(-0.06, 0.06)) * recipe.width_m, height * float(rng.uniform(0.5, 0.62)))
    yaw = float(np.degrees(np.arctan2(target[0] - x, -y)))
    pitch = float(np.degrees(np.arctan2(target[1] - 1.7, -y))) * 1.15
    focal = float(rng.uniform(0.75, 1.15)) * 1280 * scale
    return Camera((x, y, 1.7), yaw, pitch, float(rng.normal(0, 1.2)), focal, round(1280 * scale), round(960 * scale))
