"""Changing what people say about a photo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from photos.models import Photo, PhotoTag, TagSource
from photos.services import graphs, places
from photos.services.collection import clear_location, set_location
from photos.services.tagging import get_or_create_tag, set_tags

PLAIN_FIELDS = frozenset(
    {
        "title",
        "description",
        "credit",
        "license",
        "visibility",
        "location_visibility",
        "location_accuracy_m",
        "bearing_deg",
        "taken_at",
        "owner",
    }
)


@transaction.atomic
def update_photo(photo: Photo, *, changes: Mapping[str, Any]) -> Photo:
    """Apply `changes`, all or none: plain fields, `tags`, and `latitude` with `longitude` (both None clear).

    Raises ValueError for a name that may not be changed.
    """
    unknown = set(changes) - PLAIN_FIELDS - {"tags", "latitude", "longitude"}
    if unknown:
        raise ValueError(f"cannot change {', '.join(sorted(unknown))}")
    if "latitude" in changes:  # first: a new place forgets the old one's accuracy
        _move(photo, changes["latitude"], changes["longitude"])
    plain = {name: value for name, value in changes.items() if name in PLAIN_FIELDS}
    if plain:
        for name, value in plain.items():
            setattr(photo, name, value)
        photo.save(update_fields=[*plain, "updated_at"])
    if "tags" in changes:
        set_tags(photo, changes["tags"])
    return photo


def _move(photo: Photo, latitude: float | None, longitude: float | None) -> None:
    if latitude is None or longitude is None:
        clear_location(photo)
    elif (latitude, longitude) != (photo.latitude, photo.longitude):
        set_location(photo, latitude, longitude)


def update_photos(photos: QuerySet[Photo], *, changes: Mapping[str, Any]) -> int:
    """Apply the same plain changes to every photo of a query set; returns how many."""
    unknown = set(changes) - PLAIN_FIELDS
    if unknown:
        raise ValueError(f"cannot change {', '.join(sorted(unknown))} of many photos at once")
    if not {"visibility", "location_visibility"} & set(changes):
        return photos.update(**changes, updated_at=timezone.now())
    ids = list(photos.values_list("pk", flat=True))
    with transaction.atomic():
        changed = Photo.objects.filter(pk__in=ids).update(**changes, updated_at=timezone.now())
        places.forget_moved(ids)
        graphs.ring_on_commit(ids)
    return changed


@transaction.atomic
def tag_photos(photos: QuerySet[Photo], names: Iterable[str]) -> int:
    """Give every photo of a query set these tags beside its own; raises `InvalidTagError`. Returns how many."""
    ids = list(photos.values_list("pk", flat=True))
    for tag in [get_or_create_tag(name) for name in names]:
        given = [PhotoTag(photo_id=pk, tag=tag, source=TagSource.MANUAL) for pk in ids]
        # a person's word takes the place of a model's
        PhotoTag.objects.bulk_create(
            given,
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["photo", "tag"],
            update_fields=["source", "score"],
        )
    return len(ids)
