"""Adding, replacing, placing and deleting photos."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from photos.errors import DuplicatePhotoError, InvalidLocationError
from photos.models import LocationSource, LocationVisibility, Photo, Visibility
from photos.services.tagging import set_tags


def add_photo(
    upload: File[bytes] | bytes,
    *,
    original_name: str = "",
    owner: User | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
    location_source: str | None = None,
    title: str = "",
    description: str = "",
    credit: str = "",
    license: str = "",  # noqa: A002 - the field's name
    visibility: str = Visibility.PUBLIC,
    location_visibility: str = LocationVisibility.EXACT,
    tags: Iterable[str] = (),
    taken_at: datetime | None = None,
    bearing_deg: float | None = None,
    location_accuracy_m: float | None = None,
) -> Photo:
    """Take a picture into the collection and have it indexed; what is not said here is read from its EXIF.

    `latitude` and `longitude` in degrees WGS 84, both or neither. When it returns, file and row are on the disk
    (or will be with the transaction around it). Raises `ImageRefused`, `InvalidLocationError`,
    `InvalidTagError`, and `DuplicatePhotoError` when the owner has these bytes already.
    """
    check_location(latitude, longitude, accuracy_m=location_accuracy_m, bearing_deg=bearing_deg)
    photo = Photo(
        image=_as_file(upload),
        original_name=_file_name(original_name or getattr(upload, "name", "") or ""),
        owner=owner,
        latitude=latitude,
        longitude=longitude,
        location_source="" if latitude is None else location_source or LocationSource.MANUAL,
        location_accuracy_m=location_accuracy_m,
        bearing_deg=None if bearing_deg is None else bearing_deg % 360,
        taken_at=taken_at,
        title=title[:200],
        description=description,
        credit=credit[:200],
        license=license[:100],
        visibility=visibility,
        location_visibility=location_visibility,
    )
    _save_picture(photo, tags)
    return photo


def replace_image(photo: Photo, upload: File[bytes] | bytes) -> Photo:
    """Put another picture in the place of a photo's; all that was found in the old one goes at once.

    Raises `ImageRefused` and `DuplicatePhotoError`.
    """
    photo.image = _as_file(upload)
    photo.original_name = _file_name(getattr(upload, "name", "") or "") or photo.original_name
    _save_picture(photo, None)
    return photo


def delete_photo(photo: Photo) -> None:
    """Delete a photo with everything found in it, for good; its files go when that commits.

    What a curator deletes goes by `photos.services.trash.throw_away` instead.
    """
    with transaction.atomic():
        # a worker that is just writing what it found ends first, or its rows would be missed
        Photo.objects.select_for_update().filter(pk=photo.pk).first()
        photo.delete()


def set_location(
    photo: Photo,
    latitude: float,
    longitude: float,
    *,
    source: str = LocationSource.MANUAL,
    accuracy_m: float | None = None,
) -> None:
    """Place a photo, in degrees WGS 84; raises `InvalidLocationError`."""
    check_location(latitude, longitude, accuracy_m=accuracy_m)
    photo.latitude, photo.longitude = latitude, longitude
    photo.location_source, photo.location_accuracy_m = source, accuracy_m
    _save_location(photo)


def clear_location(photo: Photo) -> None:
    photo.latitude = photo.longitude = photo.location_accuracy_m = None
    photo.location_source = ""
    _save_location(photo)


def check_location(
    latitude: float | None,
    longitude: float | None,
    *,
    accuracy_m: float | None = None,
    bearing_deg: float | None = None,
) -> None:
    """Raise `InvalidLocationError` unless both or neither are given, and all are in their ranges."""
    if (latitude is None) != (longitude is None):
        raise InvalidLocationError("Give both latitude and longitude, or neither.")
    for name, value, low, high in (
        ("latitude", latitude, -90, 90),
        ("longitude", longitude, -180, 180),
        ("accuracy in metres", accuracy_m, 0, 2.0e7),
        ("bearing in degrees", bearing_deg, 0, 360),
    ):
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            raise InvalidLocationError(f"The {name} must be between {low:g} and {high:g}, not {value}.")


def _save_location(photo: Photo) -> None:
    names = ["latitude", "longitude", "location_source", "location_accuracy_m", "updated_at"]
    photo.save(update_fields=names)
    photo.refresh_from_db(fields=["public_latitude", "public_longitude"])


def _save_picture(photo: Photo, tags: Iterable[str] | None) -> None:
    """Save a photo with a new picture; where that fails, its file does not stay behind."""
    try:
        with transaction.atomic():
            photo.save()
            if tags is not None:
                set_tags(photo, tags)
    except BaseException as exc:
        _remove_stored(photo)
        if isinstance(exc, IntegrityError) and "photo_bytes_once_per_owner" in str(exc):
            # two uploads of the same bytes at once: the other one was faster
            raise DuplicatePhotoError(Photo.objects.get(owner=photo.owner_id, sha256=photo.sha256)) from exc
        raise


def _remove_stored(photo: Photo) -> None:
    if photo.image and getattr(photo.image, "_committed", False):
        default_storage.delete(str(photo.image.name))


def _as_file(upload: File[bytes] | bytes) -> Any:
    if isinstance(upload, bytes):
        return ContentFile(upload, name="upload")
    if not upload.name:
        upload.name = "upload"
    return upload


def _file_name(name: str) -> str:
    """Return the last part of a name that a stranger chose, fit to be stored and shown."""
    last = PurePosixPath(name.replace("\\", "/").replace("\0", "")).name
    return "".join(one for one in last if one.isprintable())[:255]
