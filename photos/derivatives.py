"""The copies that people see: upright, without metadata, in three sizes and three formats.

Their names carry the picture's digest, so a copy of a replaced picture is never mistaken for the new one's.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from PIL import Image as PillowImage

from photos.models import Photo
from photos.services.reading import read_photo
from photos.vision.types import Image

Size: TypeAlias = Literal["small", "medium", "large"]
Format: TypeAlias = Literal["avif", "webp", "jpg"]

SIDES: Final[dict[Size, int]] = {"small": 320, "medium": 800, "large": 1600}
"""Pixels of the longer side, at most."""

FORMER_SIZES: Final[dict[str, Size]] = {"thumbnail": "small", "display": "large"}
"""The names that stand in addresses without a digest, of JPEGs."""

CONTENT_TYPES: Final[dict[Format, str]] = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg"}
"""In the order in which a browser should choose."""

FOLDER: Final = "derivatives"
DIGEST_LENGTH: Final = 16
BLUR_SIDE: Final = 4

_OPTIONS: Final[dict[Format, dict[str, Any]]] = {
    # at its quickest AVIF is still half a JPEG's size; slower settings take a second and win a tenth
    "avif": {"format": "AVIF", "quality": 60, "speed": 9, "max_threads": 1},
    "webp": {"format": "WEBP", "quality": 78, "method": 2},
    "jpg": {"format": "JPEG", "quality": 82, "optimize": True, "progressive": True},
}


def derivative(photo: Photo, size: Size, kind: Format = "jpg") -> File[bytes]:
    """Return the copy, opened for reading; made now where the worker has not yet.

    Raises `ImageRefused` where the picture cannot be decoded, `FileNotFoundError` where its file is gone.
    """
    name = derivative_name(photo, size, kind)
    if not default_storage.exists(name):
        picture = PillowImage.fromarray(read_photo(str(photo.image.name), max_side=SIDES["large"]).pixels)
        for each in SIDES:  # a page that wants one will want the others
            _write(derivative_name(photo, each, kind), picture, each, kind)
    return default_storage.open(name)


def derivative_name(photo: Photo, size: Size, kind: Format = "jpg") -> str:
    return f"{FOLDER}/{photo.uuid.hex[:2]}/{photo.uuid}-{digest_of(photo)}-{SIDES[size]}.{kind}"


def derivative_names(photo: Photo) -> Iterator[str]:
    """Yield the names of all copies that a photo may have."""
    return (derivative_name(photo, size, kind) for size in SIDES for kind in CONTENT_TYPES)


def digest_of(photo: Photo) -> str:
    """Return what tells this picture from one that replaces it."""
    return photo.sha256[:DIGEST_LENGTH]


def copy_size(photo: Photo, size: Size) -> tuple[int, int]:
    """Return width and height of a copy in pixels; a small picture is never enlarged."""
    scale = min(1.0, SIDES[size] / max(photo.width, photo.height, 1))
    return max(1, round(photo.width * scale)), max(1, round(photo.height * scale))


def write_derivatives(photo: Photo, pixels: Image) -> None:
    """Write the copies that are missing, from an upright (H, W, 3) picture, and note its blur."""
    picture = PillowImage.fromarray(pixels)
    for size in SIDES:
        reduced = _reduce(picture, SIDES[size])
        for kind in CONTENT_TYPES:
            _write(derivative_name(photo, size, kind), reduced, size, kind)
    Photo.objects.filter(pk=photo.pk, sha256=photo.sha256).update(blur=blur_of(picture))


def blur_of(picture: PillowImage.Image) -> str:
    """Return a picture of a few pixels as base64 of a PNG: what stands in for the copy until it is there."""
    tiny = picture.resize((BLUR_SIDE, BLUR_SIDE), PillowImage.Resampling.BOX)
    return base64.b64encode(_encode(tiny, {"format": "PNG", "optimize": True})).decode()


def delete_derivatives(uuid: UUID, sha256: str) -> None:
    for name in derivative_names(Photo(uuid=uuid, sha256=sha256)):
        default_storage.delete(name)


def _write(name: str, picture: PillowImage.Image, size: Size, kind: Format) -> None:
    if default_storage.exists(name):
        return
    stored = default_storage.save(name, ContentFile(_encode(_reduce(picture, SIDES[size]), _OPTIONS[kind])))
    if stored != name:  # another process was faster
        default_storage.delete(stored)


def _reduce(picture: PillowImage.Image, side: int) -> PillowImage.Image:
    if max(picture.size) <= side:
        return picture
    reduced = picture.copy()
    reduced.thumbnail((side, side), PillowImage.Resampling.LANCZOS)
    return reduced


def _encode(picture: PillowImage.Image, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()
