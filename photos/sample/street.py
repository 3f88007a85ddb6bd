"""What changes from view to view: light, sky, weather, and whoever stands in the way."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.sample.paint import Painter, Texture, random_colour, smooth_noise, toned
from photos.sample.scene import Camera, Light, Surface

LIGHTS: Final = {
    "morning": Light(
        (0.8, -0.5, 0.5), (0.58, 0.51, 0.42), (0.66, 0.68, 0.71), (96, 150, 206), (214, 226, 232), 420, 0.5
    ),
    "noon": Light(
        (-0.3, -0.6, 0.9), (0.56, 0.54, 0.50), (0.70, 0.71, 0.72), (72, 132, 204), (206, 224, 236), 700, 0.45
    ),
    "afternoon": Light(
        (-0.8, -0.6, 0.6), (0.60, 0.54, 0.45), (0.66, 0.67, 0.69), (84, 140, 200), (220, 224, 222), 600, 0.6
    ),
    "golden": Light(
        (-0.9, -0.5, 0.28), (0.74, 0.54, 0.32), (0.60, 0.59, 0.63), (106, 136, 182), (248, 214, 164), 380, 0.55
    ),
    "overcast": Light((0, -0.2, 1), (0.14, 0.14, 0.14), (0.96, 0.97, 0.99), (182, 190, 198), (216, 220, 222), 260, 1.0),
    "dusk": Light((0.6, -0.8, 0.2), (0.20, 0.17, 0.18), (0.68, 0.64, 0.74), (66, 76, 128), (226, 168, 140), 300, 0.5),
}


def paint_sky(camera: Camera, light: Light, rng: np.random.Generator) -> NDArray[np.float32]:
    """A gradient from horizon to zenith, clouds that flatten towards the horizon, and far hills."""
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = (
        np.stack(
            (
                (columns - camera.width / 2) / camera.focal_px,
                (rows - camera.height / 2) / camera.focal_px,
                np.ones(columns.shape),
            ),
            -1,
        )
        @ camera.rotation
    )
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    height = np.clip(rays[..., 2], 0, 1)[..., None]
    sky = (
        np.array(light.horizon)
        + (np.array(light.zenith) - np.array(light.horizon)) * np.clip(height * 1.9, 0, 1) ** 0.7
    )
    noise = smooth_noise((512, 512), 90, rng, octaves=5)
    flat = np.maximum(rays[..., 2], 0.03)
    u, v = (((rays[..., axis] / flat) * 70 + 256) % 511 for axis in (0, 1))
    cloud = cv2.remap(noise, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR)
    cover = np.clip((cloud - 0.35 + 0.7 * light.clouds) * 1.6, 0, 1)[..., None] * np.clip(height * 6, 0, 1) * 0.85
    white = np.minimum(np.array(light.horizon) * 1.06 + 8, 255)
    sky = sky * (1 - cover) + white * cover
    azimuth = np.degrees(np.arctan2(rays[..., 0], rays[..., 1]))
    ridge = 0.045 + 0.02 * np.sin(azimuth / 17 + rng.uniform(0, 6)) + 0.012 * np.sin(azimuth / 5.3)
    hills = (rays[..., 2] < ridge)[..., None]
    tone = np.array(light.horizon) * 0.6 + np.array((70, 92, 84)) * 0.4
    return np.where(hills, tone, sky).astype(np.float32)


def occlude(rng: np.random.Generator, *, width_m: float, camera: Camera, count: int) -> list[Surface]:
    """Trees, lamps, people and cars between the camera and the front, upright and turned to it."""
    makers = (_tree, _lamp, _person, _person, _car)
    surfaces = []
    for _ in range(count):
        texture, w, h = makers[int(rng.integers(len(makers)))](rng)
        x = float(rng.choice((-1, 1)) * rng.uniform(width_m * 0.2, width_m * 0.75))
        y = float(rng.uniform(max(camera.position[1] * 0.55, -14), -2.5))
        surfaces.append(Surface((x - w / 2, y, h), (w, 0, 0), (0, 0, -h), texture))
    return surfaces


def _clear(w: float, h: float, rng: np.random.Generator) -> Painter:
    p = Painter(w, h, rng, density=48)
    p.alpha[:] = 0
    return p


def _done(p: Painter, mask: NDArray[np.uint8]) -> Texture:
    p.alpha = mask
    return p.finish()


def _stroke(p: Painter) -> NDArray[np.uint8]:
    return np.zeros(p.shape, np.uint8)


def _tree(rng: np.random.Generator) -> tuple[Texture, float, float]:
    w, h = rng.uniform(4, 6), rng.uniform(6, 9)
    p = _clear(w, h, rng)
    mask = _stroke(p)
    trunk = [p.corner(w / 2 - 0.14, 0), p.corner(w / 2 + 0.14, h * 0.6)]
    cv2.rectangle(p.pixels, (trunk[0][0], trunk[1][1]), (trunk[1][0], trunk[0][1]), (84, 66, 52), -1)
    cv2.rectangle(mask, (trunk[0][0], trunk[1][1]), (trunk[1][0], trunk[0][1]), (255.0,), -1)
    for _ in range(900):
        angle, share = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.6
        x, y = w / 2 + share * w * 0.46 * np.cos(angle), h * 0.68 + share * h * 0.3 * np.sin(angle)
        radius = max(2, round(rng.uniform(0.06, 0.2) * p.density))
        light = 0.75 + 0.4 * (y / h - 0.4) + rng.normal(0, 0.08)
        cv2.circle(p.pixels, p.corner(x, y), radius, tuple(float(c * light) for c in (84, 122, 62)), -1, cv2.LINE_AA)
        cv2.circle(mask, p.corner(x, y), radius, (255.0,), -1, cv2.LINE_AA)
    return _done(p, mask), w, h


def _lamp(rng: np.random.Generator) -> tuple[Texture, float, float]:
    w, h = 0.8, 4.6
    p = _clear(w, h, rng)
    p.pixels[:] = (48, 54, 56)
    mask = _stroke(p)
    cv2.line(mask, p.corner(w / 2, 0), p.corner(w / 2, h - 0.7), (255.0,), 5)
    cv2.rectangle(mask, p.corner(w / 2 - 0.22, h - 0.1), p.corner(w / 2 + 0.22, h - 0.75), (255.0,), -1)
    p.box(w / 2 - 0.16, h - 0.68, 0.32, 0.48, (250, 230, 170))
    return _done(p, mask), w, h


def _person(rng: np.random.Generator) -> tuple[Texture, float, float]:
    w, h = 0.8, rng.uniform(1.6, 1.85)
    p = _clear(w, h, rng)
    mask = _stroke(p)
    coat = toned(random_colour(rng), 0.8)
    legs = toned(coat, 0.5)
    for colour, points in (
        (legs, [(0.27, 0), (0.26, 0.8), (0.4, 0.8), (0.37, 0)]),
        (legs, [(0.44, 0), (0.41, 0.8), (0.55, 0.8), (0.56, 0)]),
        (coat, [(0.22, 0.62), (0.2, h - 0.42), (0.3, h - 0.3), (0.51, h - 0.3), (0.61, h - 0.42), (0.59, 0.62)]),
        (toned(coat, 0.85), [(0.12, 0.72), (0.16, h - 0.46), (0.22, h - 0.38), (0.23, 0.74)]),
        (toned(coat, 0.85), [(0.58, 0.74), (0.59, h - 0.38), (0.65, h - 0.46), (0.69, 0.72)]),
    ):
        corners = np.array([p.corner(x, y) for x, y in points], np.int32)
        cv2.fillPoly(p.pixels, [corners], colour)
        cv2.fillPoly(mask, [corners], (255.0,))
    head, radius = p.corner(0.405, h - 0.14), round(0.11 * p.density)
    cv2.circle(p.pixels, head, radius, (206, 166, 140), -1, cv2.LINE_AA)
    cv2.circle(mask, head, radius, (255.0,), -1, cv2.LINE_AA)
    return _done(p, mask), w, h


def _car(rng: np.random.Generator) -> tuple[Texture, float, float]:
    w, h = 4.2, 1.5
    p = _clear(w, h, rng)
    mask = _stroke(p)
    paint = toned(random_colour(rng), 0.9)
    body = np.array(
        [
            p.corner(x, y)
            for x, y in (
                (0.05, 0.3),
                (0.1, 0.8),
                (0.9, 0.92),
                (1.4, 1.45),
                (2.9, 1.45),
                (3.4, 0.92),
                (4.1, 0.8),
                (4.15, 0.3),
            )
        ],
        np.int32,
    )
    glass = np.array([p.corner(x, y) for x, y in ((1.15, 0.95), (1.5, 1.36), (2.8, 1.36), (3.1, 0.95))], np.int32)
    for canvas, colour in ((p.pixels, paint), (mask, (255.0,))):
        cv2.fillPoly(canvas, [body], colour, cv2.LINE_AA)
    cv2.fillPoly(p.pixels, [glass], (70, 84, 94), cv2.LINE_AA)
    for x in (0.9, 3.3):
        for canvas, colour in ((p.pixels, (32, 32, 34)), (mask, (255.0,))):
            cv2.circle(canvas, p.corner(x, 0.32), round(0.32 * p.density), colour, -1, cv2.LINE_AA)
    return _done(p, mask), w, h


def develop(picture: NDArray[np.float32], *, weather: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What the lens and the sensor make of it: rain or snow, vignetting, exposure and noise."""
    rows, columns = picture.shape[:2]
    if weather == "rain":
        streaks = np.zeros((rows, columns), np.float32)
        for _ in range(420):
            x, y = int(rng.integers(columns)), int(rng.integers(rows))
            cv2.line(
                streaks, (x, y), (x + 4, y + int(rng.integers(14, 34))), float(rng.uniform(0.1, 0.3)), 1, cv2.LINE_AA
            )
        picture = picture * 0.94 + streaks[..., None] * 120
    if weather == "snow":
        flakes = np.zeros((rows, columns), np.float32)
        for _ in range(500):
            cv2.circle(
                flakes,
                (int(rng.integers(columns)), int(rng.integers(rows))),
                int(rng.integers(1, 4)),
                float(rng.uniform(0.4, 0.9)),
                -1,
                cv2.LINE_AA,
            )
        picture = picture * (1 - flakes[..., None]) + flakes[..., None] * 246
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    picture = picture * (1 - 0.06 * (x**2 + y**2))[..., None] * rng.uniform(0.97, 1.08)
    return np.clip(picture + rng.normal(0, 2.6, picture.shape), 0, 255).astype(np.uint8)
