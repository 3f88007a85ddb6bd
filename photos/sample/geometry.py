"""The sample town's geometry: a pinhole camera, flat surfaces in space, and the way to latitude and longitude.

A place has its own frame in metres: x to the right along its front (as seen from before it), y away from the
viewer into the building, z up; the front stands in the plane y = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
"""A point or direction in a place's frame: (3,) float64, metres."""

EARTH_RADIUS_M = 6_371_008.8
NEAR_M = 0.3
UNIT_SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def vector(x: float, y: float, z: float) -> Vector:
    return np.array((x, y, z), dtype=np.float64)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in a place's frame.

    `yaw_deg` turns right from the +y axis, `pitch_deg` up from level, `roll_deg` clockwise; `focal_px` is the
    focal length in pixels, the principal point lies in the middle of `width` x `height` pixels.
    """

    position: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    focal_px: float
    width: int
    height: int

    @cached_property
    def axes(self) -> NDArray[np.float64]:
        """(3, 3) float64: the unit vectors right, down and forward, as rows."""
        yaw, pitch, roll = np.radians((self.yaw_deg, self.pitch_deg, self.roll_deg))
        forward = vector(np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch))
        level = vector(np.cos(yaw), -np.sin(yaw), 0.0)
        below = np.cross(forward, level)
        right = np.cos(roll) * level + np.sin(roll) * below
        return np.stack((right, np.cross(forward, right), forward))

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3) float64: from a direction in the place's frame to homogeneous pixels; the third row is depth."""
        inner = np.array(
            ((self.focal_px, 0, self.width / 2), (0, self.focal_px, self.height / 2), (0, 0, 1)), dtype=np.float64
        )
        return np.asarray(inner @ self.axes, dtype=np.float64)

    def project(self, points: Vector) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels (N, 2) and depths (N,) in metres of `points` (N, 3); only depths above 0 are before the camera."""
        homogeneous = (np.atleast_2d(points) - np.array(self.position)) @ self.matrix.T
        depth = homogeneous[:, 2]
        return homogeneous[:, :2] / depth[:, None], depth

    def scaled(self, factor: float) -> Camera:
        """The same view on a sensor of `factor` times the pixels a side."""
        return replace(
            self,
            focal_px=self.focal_px * factor,
            width=round(self.width * factor),
            height=round(self.height * factor),
        )


@dataclass(frozen=True, eq=False)
class Surface:
    """A flat piece of a scene, painted with part of a texture.

    The texture's top left corner lies at `origin`, its width along `across`, its height along `down` (vectors of
    the full size, metres). `outline` is the convex polygon that exists, in parts of the texture's width and height.
    `normal` points to the side that is lit and seen; a two-sided surface (foliage, people) is seen from both.
    """

    texture: str
    origin: Vector
    across: Vector
    down: Vector
    outline: Sequence[tuple[float, float]] = UNIT_SQUARE
    two_sided: bool = False
    casts_shadow: bool = True

    @cached_property
    def normal(self) -> Vector:
        normal = np.cross(self.down, self.across)
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)

    @cached_property
    def corners(self) -> Vector:
        """(N, 3) the outline in space."""
        parts = np.array(self.outline)
        return np.asarray(
            self.origin + parts[:, :1] * self.across + parts[:, 1:] * self.down, dtype=np.float64
        )

    def mirrored(self) -> Surface:
        """Its reflection in the ground plane (its own normal is then reversed)."""
        flip = vector(1, 1, -1)
        return replace(self, origin=self.origin * flip, across=self.across * flip, down=self.down * flip)

    def halves(self) -> tuple[Surface, Surface]:
        """The same surface in two parts, cut across the longer side of its outline."""
        parts = np.array(self.outline)
        lengths = np.ptp(parts, axis=0) * (np.linalg.norm(self.across), np.linalg.norm(self.down))
        axis = int(np.argmax(lengths))
        middle = float((parts[:, axis].min() + parts[:, axis].max()) / 2)
        sides = (clip_polygon(parts, parts[:, axis] - middle), clip_polygon(parts, middle - parts[:, axis]))
        first, second = (replace(self, outline=[(float(s), float(t)) for s, t in side]) for side in sides)
        return first, second


def clip_polygon(points: NDArray[np.float64], inside: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a convex polygon (N, D) where the linear function with values `inside` (N,) is not negative."""
    kept: list[NDArray[np.float64]] = []
    for index in range(len(points)):
        here, there = inside[index - 1], inside[index]
        if (here < 0) != (there < 0):
            kept.append(points[index - 1] + (points[index] - points[index - 1]) * (here / (here - there)))
        if there >= 0:
            kept.append(points[index])
    return np.array(kept, dtype=np.float64).reshape(-1, points.shape[1])


@dataclass(frozen=True)
class Site:
    """Where a place's frame lies on the Earth: its origin, and the compass direction its front faces."""

    latitude: float
    longitude: float
    facing_deg: float

    def east_north(self, x: float, y: float) -> tuple[float, float]:
        """Metres east and north of the origin for the point (x, y) of the place's frame."""
        facing = np.radians(self.facing_deg)
        east = -x * np.cos(facing) - y * np.sin(facing)
        north = x * np.sin(facing) - y * np.cos(facing)
        return float(east), float(north)

    def latitude_longitude(self, x: float, y: float) -> tuple[float, float]:
        """Degrees WGS 84 of a point of the frame (flat Earth: below 1 mm of error over 100 m)."""
        return offset_position(self.latitude, self.longitude, *self.east_north(x, y))

    def bearing(self, yaw_deg: float) -> float:
        """Degrees clockwise from true north of a camera that is turned by `yaw_deg` in the frame."""
        return (self.facing_deg + 180.0 + yaw_deg) % 360.0

    def direction(self, azimuth_deg: float, elevation_deg: float) -> Vector:
        """The unit vector of the frame towards a compass azimuth and an elevation."""
        yaw, elevation = np.radians((azimuth_deg - self.facing_deg - 180.0, elevation_deg))
        return vector(np.sin(yaw) * np.cos(elevation), np.cos(yaw) * np.cos(elevation), np.sin(elevation))


def offset_position(latitude: float, longitude: float, east_m: float, north_m: float) -> tuple[float, float]:
    """Degrees WGS 84 of the point `east_m` and `north_m` away (for some kilometres at most)."""
    north = np.degrees(north_m / EARTH_RADIUS_M)
    east = np.degrees(east_m / (EARTH_RADIUS_M * np.cos(np.radians(latitude))))
    return float(latitude + north), float(longitude + east)
