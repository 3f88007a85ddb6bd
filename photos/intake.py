"""What a new picture file says about itself, read once before it is stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from photos.exif import ExifFacts, read_exif
from photos.vision.errors import ImageRefused
from photos.vision.images import ImageInfo, Limits, inspect_image


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """The content's digest (hexadecimal SHA-256), what its header says, and its EXIF."""

    sha256: str
    info: ImageInfo
    exif: ExifFacts


def upload_limits() -> Limits:
    return Limits(max_bytes=settings.MAX_UPLOAD_MIB * 1024 * 1024)


def read_facts(file: Any) -> PictureFacts:
    """Read a file-like object from its start and leave it there; raises `ImageRefused`."""
    data = read_bytes(file)
    info = inspect_image(data, limits=upload_limits())
    exif = read_exif(data, default_zone=timezone.get_default_timezone())
    return PictureFacts(hashlib.sha256(data).hexdigest(), info, exif)


def read_bytes(file: Any) -> bytes:
    """Return a file's bytes; raises `ImageRefused` where it is larger than allowed, without reading it all."""
    limit = upload_limits().max_bytes
    file.seek(0)
    data = bytes(file.read(limit + 1))
    file.seek(0)
    if len(data) > limit:
        raise ImageRefused(f"The file is larger than the {settings.MAX_UPLOAD_MIB} MiB allowed.", code="too-large")
    return data
