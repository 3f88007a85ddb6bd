"""Small pictures made in memory, each different, with and without EXIF."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pillow_heif
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

pillow_heif.register_heif_opener()  # to write them, too

GPS = ExifTags.GPS
BASE = ExifTags.Base


def textured(seed: int = 0, *, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """A picture full of corners: overlapping rectangles of random colours."""
    numbers = np.random.default_rng(seed)
    width, height = size
    pixels = np.full((height, width, 3), 128, np.uint8)
    for _ in range(60):
        x, y = int(numbers.integers(0, width - 8)), int(numbers.integers(0, height - 8))
        w, h = numbers.integers(8, max(9, width // 3)), numbers.integers(8, max(9, height // 3))
        pixels[y : y + h, x : x + w] = numbers.integers(0, 256, 3)
    return Image.fromarray(pixels)


def encode(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(seed: int = 0, *, size: tuple[int, int] = (240, 180), exif: Image.Exif | None = None) -> bytes:
    options: dict[str, Any] = {} if exif is None else {"exif": exif}
    return encode(textured(seed, size=size), quality=90, **options)


def blank_jpeg(level: int = 200) -> bytes:
    return encode(Image.new("RGB", (160, 120), (level, level, level)))


def degrees(value: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    minutes = abs(value) % 1 * 60
    return (
        IFDRational(int(abs(value)), 1),
        IFDRational(int(minutes), 1),
        IFDRational(round(minutes % 1 * 60 * 10000), 10000),
    )


def make_exif(
    *, base: dict[int, Any] | None = None, details: dict[int, Any] | None = None, gps: Any = None
) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in (base or {}).items():
        exif[tag] = value
    if details:
        exif.get_ifd(ExifTags.IFD.Exif).update(details)
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps)
    return exif


def placed_exif(latitude: float, longitude: float, **more: Any) -> Image.Exif:
    gps = {
        GPS.GPSLatitudeRef: "N" if latitude >= 0 else "S",
        GPS.GPSLatitude: degrees(latitude),
        GPS.GPSLongitudeRef: "E" if longitude >= 0 else "W",
        GPS.GPSLongitude: degrees(longitude),
    }
    return make_exif(gps=gps, **more)


def placed_jpeg(seed: int, latitude: float, longitude: float, **more: Any) -> bytes:
    return jpeg(seed, exif=placed_exif(latitude, longitude, **more))
