"""Where each view of each place is taken from, and drawing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.sample.buildings import build
from photos.sample.scene import Camera, Surface, render
from photos.sample.street import LIGHTS, develop, occlude, paint_sky
from photos.sample.town import ORIGIN, PLACES, Place

VIEWS: Final = 6
HELD_OUT: Final = 6
"""The number of the view of each place that is not in the collection."""
METRES_PER_DEGREE: Final = 111_194.93
_SUPERSAMPLING: Final = 1.4
_PLAN: Final = (
    # across, away, focal length in widths, light, weather, occluders, upright
    (-0.10, 1.45, 0.85, "morning", "", 2, False),
    (0.42, 1.30, 0.90, "noon", "", 3, False),
    (-0.50, 1.40, 0.95, "overcast", "", 2, False),
    (0.16, 1.05, 0.72, "golden", "", 3, True),
    (-0.26, 1.75, 1.15, "afternoon", "haze", 4, False),
    (0.30, 1.55, 1.00, "overcast", "rain", 3, False),
    (0.06, 1.25, 0.82, "afternoon", "", 3, False),
)


@dataclass(frozen=True, eq=False)
class DrawnView:
    """A drawn picture, (H, W, 3) uint8, with where its camera stands in degrees WGS 84 and where it looks."""

    pixels: NDArray[np.uint8]
    latitude: float
    longitude: float
    bearing_deg: float
    taken_at: datetime
    place: Place


def camera_of(place_index: int, view_index: int, *, scale: float = 1.0) -> Camera:
    """Return the camera of a view, in its place's frame."""
    place, rng = PLACES[place_index], _rng(place_index, view_index)
    across, away, zoom, _, _, _, upright = _PLAN[view_index]
    width, height = (960, 1280) if upright else (1280, 960)
    recipe = place.recipe
    x = (across + rng.uniform(-0.05, 0.05)) * recipe.width_m
    y = -(away + rng.uniform(-0.08, 0.08)) * max(recipe.width_m, recipe.floors * recipe.floor_m * 1.1)
    target = (rng.uniform(-0.06, 0.06) * recipe.width_m, recipe.floors * recipe.floor_m * rng.uniform(0.5, 0.62))
    yaw = np.degrees(np.arctan2(target[0] - x, -y))
    pitch = np.degrees(np.arctan2(target[1] - 1.7, -y))
    size = (round(width * scale), round(height * scale))
    focal = zoom * 1280 * scale * (0.9 if upright else 1.0)
    return Camera((x, y, 1.7), float(yaw), float(pitch * 1.15), float(rng.normal(0, 1.2)), focal, *size)


def draw_view(place_index: int, view_index: int, *, scale: float = 1.0) -> DrawnView:
    """Draw one view; `scale` 1 is about 1280 x 960. The same numbers give the same pixels."""
    place, rng = PLACES[place_index], _rng(place_index, view_index + 100)
    _, _, _, light_name, weather, count, _ = _PLAN[view_index]
    light = LIGHTS[light_name]
    camera = camera_of(place_index, view_index, scale=scale * _SUPERSAMPLING)
    surfaces = [*_surfaces(place_index), *occlude(rng, width_m=place.recipe.width_m, camera=camera, count=count)]
    picture = render(surfaces, camera, light, paint_sky(camera, light, rng))
    final = camera_of(place_index, view_index, scale=scale)
    picture = cv2.resize(picture, (final.width, final.height), interpolation=cv2.INTER_AREA).astype(np.float32)
    latitude, longitude, bearing = position_of(place, final)
    moment = datetime(2024, 3, 4, 8, tzinfo=timezone(-timedelta(hours=3))) + timedelta(
        days=11 * place_index + 37 * view_index,
        hours={"morning": 0, "noon": 4, "golden": 10}.get(light_name, 6),
        minutes=7 * place_index,
    )
    return DrawnView(develop(picture, weather=weather, rng=rng), latitude, longitude, bearing, moment, place)


def position_of(place: Place, camera: Camera) -> tuple[float, float, float]:
    """Return the camera's latitude, longitude and bearing in degrees; the front looks towards `place.faces_deg`."""
    turn = np.radians((place.faces_deg + 180) % 360)
    x, y, _ = camera.position
    east = place.east_m + x * np.cos(turn) + y * np.sin(turn)
    north = place.north_m - x * np.sin(turn) + y * np.cos(turn)
    latitude = ORIGIN[0] + north / METRES_PER_DEGREE
    longitude = ORIGIN[1] + east / (METRES_PER_DEGREE * np.cos(np.radians(ORIGIN[0])))
    return float(latitude), float(longitude), float((place.faces_deg + 180 + camera.yaw_deg) % 360)


@lru_cache(maxsize=1)
def _surfaces(place_index: int) -> tuple[Surface, ...]:
    return tuple(build(PLACES[place_index], seed=7000 + place_index))


def _rng(place_index: int, number: int) -> np.random.Generator:
    return np.random.default_rng((place_index, number))
