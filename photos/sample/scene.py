"""Flat surfaces in space, a pinhole camera, and the picture that it takes of them.

A place's frame is in metres: x to the right along its front, y away from the viewer into the building, z up; the
front stands in the plane y = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.sample.paint import Texture

Vector: TypeAlias = tuple[float, float, float]
NEAR_M = 0.4
FLAT = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; `yaw_deg` turns right from +y, `pitch_deg` up, `roll_deg` clockwise; focal length in pixels."""

    position: Vector
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    focal_px: float
    width: int
    height: int

    @cached_property
    def rotation(self) -> NDArray[np.float64]:
        """(3, 3): the directions right, down and forward, as rows."""
        yaw, pitch, roll = np.radians((self.yaw_deg, self.pitch_deg, self.roll_deg))
        forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
        level = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
        below = np.cross(forward, level)
        right = np.cos(roll) * level + np.sin(roll) * below
        return np.stack((right, np.cross(forward, right), forward))

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3): from a point relative to the camera to homogeneous pixels; the third is depth in metres."""
        inner = np.array([[self.focal_px, 0, self.width / 2], [0, self.focal_px, self.height / 2], [0, 0, 1.0]])
        return np.asarray(inner @ self.rotation)

    def project(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return pixels (N, 2) and depths (N,) in metres of `points` (N, 3)."""
        seen = (points - np.array(self.position)) @ self.matrix.T
        return seen[:, :2] / seen[:, 2:], seen[:, 2]


@dataclass(frozen=True, eq=False)
class Surface:
    """A textured parallelogram: its top left corner, and the vectors along its width and down its height, in metres."""

    corner: Vector
    across: Vector
    down: Vector
    texture: Texture
    glows: bool = False

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        normal = np.cross(self.down, self.across)
        return np.asarray(normal / np.linalg.norm(normal))

    @cached_property
    def corners(self) -> NDArray[np.float64]:
        a, u, v = (np.array(part, float) for part in (self.corner, self.across, self.down))
        return np.stack((a, a + u, a + u + v, a + v))

    @cached_property
    def pyramid(self) -> list[Texture]:
        levels = [self.texture]
        while min(levels[-1].shape[:2]) > 24:
            levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.uint8))
        return levels


@dataclass(frozen=True)
class Light:
    """Sunlight from a direction, and the sky's, as factors per colour; `haze_m` is the distance that whitens 63 %."""

    sun: Vector
    sun_colour: Vector
    sky_colour: Vector
    zenith: Vector
    horizon: Vector
    haze_m: float
    clouds: float

    def shade(self, normal: NDArray[np.float64], towards: NDArray[np.float64]) -> NDArray[np.float64]:
        facing = normal if float(normal @ towards) >= 0 else -normal
        sun = np.array(self.sun) / np.linalg.norm(self.sun)
        direct = max(0.0, float(facing @ sun))
        shade = np.array(self.sky_colour) * (0.82 + 0.18 * facing[2]) + np.array(self.sun_colour) * direct
        return np.asarray(shade, np.float64)


def render(surfaces: Sequence[Surface], camera: Camera, light: Light, sky: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the camera sees, (H, W, 3) float32 in 0..255: the nearest surface everywhere, in light and haze."""
    picture = sky.copy()
    nearness = np.zeros(picture.shape[:2], np.float32)
    for surface in surfaces:
        _draw(picture, nearness, surface, camera, light)
    return picture


def _draw(
    picture: NDArray[np.float32], nearness: NDArray[np.float32], surface: Surface, camera: Camera, light: Light
) -> None:
    window = _window(surface, camera)
    if window is None:
        return
    left, top, right, bottom = window
    position = np.array(camera.position)
    level = _level(surface, camera)
    texture = surface.pyramid[level]
    rows, columns = texture.shape[:2]
    plane = np.column_stack(
        (np.array(surface.across) / columns, np.array(surface.down) / rows, np.array(surface.corner) - position)
    )
    to_pixels = camera.matrix @ plane
    if abs(np.linalg.det(to_pixels)) < 1e-12:
        return  # seen edge-on
    to_texture = np.linalg.inv(to_pixels) @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1.0]])
    size = (right - left, bottom - top)
    seen = cv2.warpPerspective(
        texture, to_texture, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT
    )
    a, b, c = (float(value) for value in to_texture[2])
    near = (a * np.arange(size[0], dtype=np.float32))[None] + (b * np.arange(size[1], dtype=np.float32))[:, None] + c
    near = near.astype(np.float32)
    part = nearness[top:bottom, left:right]
    cover = np.where((near > part) & (near < 1 / NEAR_M) & (near > 1e-4), seen[..., 3].astype(np.float32) / 255, 0)
    if not cover.any():
        return
    towards = position - surface.corners.mean(axis=0)
    shade = np.ones(3) * 1.1 if surface.glows else light.shade(surface.normal, towards)
    haze = np.exp(-1 / np.maximum(near, 1e-4) / light.haze_m)[..., None]
    colour = seen[..., :3] * shade.astype(np.float32) * haze + np.array(light.horizon, np.float32) * (1 - haze)
    target = picture[top:bottom, left:right]
    target += cover[..., None] * (colour - target)
    np.copyto(part, near, where=cover > 0.5)


def _window(surface: Surface, camera: Camera) -> tuple[int, int, int, int] | None:
    """Return the pixels that the surface may cover: left, top, right, bottom."""
    depths = (surface.corners - np.array(camera.position)) @ camera.matrix[2]
    if (depths <= NEAR_M).all():
        return None
    whole = (0, 0, camera.width, camera.height)
    if (depths <= NEAR_M).any():
        return whole
    pixels, _ = camera.project(surface.corners)
    low, high = np.floor(pixels.min(axis=0)).astype(int), np.ceil(pixels.max(axis=0)).astype(int) + 1
    left, top, right, bottom = max(low[0], 0), max(low[1], 0), min(high[0], whole[2]), min(high[1], whole[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


def _level(surface: Surface, camera: Camera) -> int:
    """Return the pyramid's level whose pixels are about as large as the picture's."""
    distances = np.linalg.norm(surface.corners - np.array(camera.position), axis=1)
    nearest = max(2.0, float(np.sort(distances)[:2].mean()) * 0.7)
    density = surface.texture.shape[1] / max(float(np.linalg.norm(surface.across)), 1e-6)
    shrink = density * nearest / camera.focal_px
    return int(np.clip(np.floor(np.log2(max(shrink, 1.0)) + 0.35), 0, len(surface.pyramid) - 1))
