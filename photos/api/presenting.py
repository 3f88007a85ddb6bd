"""A photo in the API's words, with no more than the asker may know."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from rest_framework.request import Request

from photos.models import LocationVisibility, Photo
from photos.querysets import PhotoQuerySet, Viewer, is_curator, location_for


def with_related(photos: PhotoQuerySet) -> PhotoQuerySet:
    """What `present_photo` reads, in one more query for any number of photos."""
    return photos.prefetch_related("tags")


def may_edit(photo: Photo, viewer: Viewer) -> bool:
    owns = viewer is not None and viewer.is_authenticated and photo.owner_id == viewer.pk
    return owns or is_curator(viewer)


def photo_url(request: Request | HttpRequest, photo: Photo) -> str:
    return request.build_absolute_uri(reverse("api-photo", args=[photo.uuid]))


def present_photo(photo: Photo, request: Request) -> dict[str, Any]:
    viewer = request.user
    inside = may_edit(photo, viewer)
    return {
        "id": str(photo.uuid),
        "url": photo_url(request, photo),
        "page": request.build_absolute_uri(photo.get_absolute_url()),
        "thumbnail": _picture(request, photo, "thumbnail"),
        "display": _picture(request, photo, "display"),
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
        **_place(photo, viewer, exact=inside or photo.location_visibility == LocationVisibility.EXACT),
        "visibility": photo.visibility,
        "tags": sorted(tag.name for tag in photo.tags.all()),
        "is_owner": viewer.is_authenticated and photo.owner_id == viewer.pk,
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


def _picture(request: Request, photo: Photo, size: str) -> str:
    return request.build_absolute_uri(reverse("photo-image", args=[photo.uuid, size]))


def as_feature(photo: dict[str, Any]) -> dict[str, Any]:
    """A presented photo as a GeoJSON feature (RFC 7946)."""
    latitude, longitude = photo["latitude"], photo["longitude"]
    place = None if latitude is None else {"type": "Point", "coordinates": [longitude, latitude]}
    properties = {name: value for name, value in photo.items() if name not in {"latitude", "longitude"}}
    return {"type": "Feature", "id": photo["id"], "geometry": place, "properties": properties}
