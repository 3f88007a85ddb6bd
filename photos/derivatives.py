"""The copies that people see: upright, small, and without metadata.

Their names carry the picture's digest, so a copy of a replaced picture is never mistaken for the new one's.
"""

from __future__ import annotations

import io
from typing import Final, Literal, TypeAlias
from uuid import UUID

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from PIL import Image as PillowImage

from photos.models import Photo
from photos.services.reading import read_photo
from photos.vision.types import Image

Size: TypeAlias = Literal["thumbnail", "display"]

SIDES: Final[dict[Size, int]] = {"thumbnail": 480, "display": 1600}
"""Pixels of the longer side, at most."""

FOLDER: Final = "derivatives"
CONTENT_TYPE: Final = "image/jpeg"
_QUALITY: Final = 82


def derivative(photo: Photo, size: Size) -> File[bytes]:
    """Return the copy, opened for reading (a JPEG); made now where the worker has not yet.

    Raises `ImageRefused` where the picture cannot be decoded, `FileNotFoundError` where its file is gone.
    """
    name = derivative_name(photo, size)
    if not default_storage.exists(name):
        write_derivatives(photo, read_photo(str(photo.image.name), max_side=SIDES["display"]).pixels)
    return default_storage.open(name)


def derivative_name(photo: Photo, size: Size) -> str:
    return f"{FOLDER}/{photo.uuid.hex[:2]}/{photo.uuid}-{photo.sha256[:16]}-{SIDES[size]}.jpg"


def write_derivatives(photo: Photo, pixels: Image) -> None:
    """Write the copies that are missing, from an upright (H, W, 3) picture."""
    picture = PillowImage.fromarray(pixels)
    for size, side in SIDES.items():
        name = derivative_name(photo, size)
        if not default_storage.exists(name):
            stored = default_storage.save(name, ContentFile(_encode(picture, side)))
            if stored != name:  # another process was faster
                default_storage.delete(stored)


def delete_derivatives(uuid: UUID, sha256: str) -> None:
    photo = Photo(uuid=uuid, sha256=sha256)
    for size in SIDES:
        default_storage.delete(derivative_name(photo, size))


def _encode(picture: PillowImage.Image, side: int) -> bytes:
    reduced = picture.copy()
    reduced.thumbnail((side, side), PillowImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    reduced.save(buffer, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return buffer.getvalue()
