"""Stored pictures, decoded as every part of the collection sees them."""

from __future__ import annotations

from typing import Final

from django.core.files.storage import default_storage

from photos.intake import read_bytes, upload_limits
from photos.vision.images import DecodedImage, read_image

WORKING_SIDE: Final = 1600
"""Pixels of the longer side at which pictures are described, stored and asked ones alike."""


def read_photo(name: str, *, max_side: int = WORKING_SIDE) -> DecodedImage:
    """Decode a stored picture by its name; raises `ImageRefused`, and `FileNotFoundError` where it is gone."""
    with default_storage.open(name) as file:
        return read_image(read_bytes(file), limits=upload_limits(), max_side=max_side)
