"""A photo in the API's words, with no more than the asker may know."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from rest_framework.request import Request

from photos.models import Photo, PhotoTag
from photos.querysets import Viewer, is_curator, knows_exactly, location_for

_ANY = uuid.UUID(int=0)


class Addresses:
    """Where a photo is found; resolved once, since a page of photos needs hundreds."""

    def __init__(self, request: Request) -> None:
        patterns = {
            "url": reverse("api-photo", args=[_ANY]),
            "page": reverse("photo", args=[_ANY]),
            "thumbnail": reverse("photo-image", args=[_ANY, "thumbnail"]),
            "display": reverse("photo-image", args=[_ANY, "display"]),
        }
        self._patterns = {name: request.build_absolute_uri(path) for name, path in patterns.items()}

    def of(self, photo: Photo) -> dict[str, str]:
        return {name: pattern.replace(str(_ANY), str(photo.uuid)) for name, pattern in self._patterns.items()}


def may_edit(photo: Photo, viewer: Viewer) -> bool:
    owns = viewer is not None and viewer.is_authenticated and photo.owner_id == viewer.pk
    return owns or is_curator(viewer)


def photo_url(request: Request, photo: Photo) -> str:
    return request.build_absolute_uri(reverse("api-photo", args=[photo.uuid]))


def present_photo(photo: Photo, request: Request) -> dict[str, Any]:
    return present_photos([photo], request)[0]


def present_photos(photos: Sequence[Photo], request: Request) -> list[dict[str, Any]]:
    """One query more for any number of photos."""
    tags, addresses = _tag_names(photos), Addresses(request)
    return [_present(photo, request.user, tags[photo.pk], addresses) for photo in photos]


def _tag_names(photos: Sequence[Photo]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {photo.pk: [] for photo in photos}
    given = PhotoTag.objects.filter(photo_id__in=list(names)).order_by("tag__name")
    for photo_id, name in given.values_list("photo_id", "tag__name"):
        names[photo_id].append(name)
    return names


def _present(photo: Photo, viewer: Viewer, tags: list[str], addresses: Addresses) -> dict[str, Any]:
    inside = may_edit(photo, viewer)
    return {
        "id": str(photo.uuid),
        **addresses.of(photo),
        "state": photo.state,
        "stage": photo.stage if inside else "",
        "error": photo.index_error if inside else "",
        "title": photo.title,
        "description": photo.description,
        "credit": photo.credit,
        "license": photo.license,
        "original_name": photo.original_name if inside else "",
        "width": photo.width,
        "height": photo.height,
        "taken_at": photo.taken_at,
        **_place(photo, viewer, exact=knows_exactly(photo, viewer)),
        "visibility": photo.visibility,
        "tags": tags,
        "is_owner": viewer is not None and viewer.is_authenticated and photo.owner_id == viewer.pk,
        "created_at": photo.created_at,
        "indexed_at": photo.indexed_at,
    }


def _place(photo: Photo, viewer: Viewer, *, exact: bool) -> dict[str, Any]:
    """Accuracy, bearing and source belong to an exact point: beside a cell they would narrow it down."""
    point = location_for(photo, viewer)
    latitude, longitude = point or (None, None)
    return {
        "latitude": latitude,
        "longitude": longitude,
        "location_source": photo.location_source if exact else "",
        "location_accuracy_m": photo.location_accuracy_m if exact else None,
        "location_visibility": photo.location_visibility,
        "bearing_deg": photo.bearing_deg if exact else None,
    }


def as_feature(photo: dict[str, Any]) -> dict[str, Any]:
    """A presented photo as a GeoJSON feature (RFC 7946)."""
    latitude, longitude = photo["latitude"], photo["longitude"]
    place = None if latitude is None else {"type": "Point", "coordinates": [longitude, latitude]}
    properties = {name: value for name, value in photo.items() if name not in {"latitude", "longitude"}}
    return {"type": "Feature", "id": photo["id"], "geometry": place, "properties": properties}
