"""Place tags: country, region and town of the point that anyone may know of a photo.

Which point a photo's tags are of stands in its row, so that whoever moves or hides it, the reconciler sees that they
are not its own any more. Tags of a former point go at once; the new ones are a worker's job, which alone loads the
towns.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils.text import slugify

from photos import queues
from photos.geocoding import find_place_names
from photos.models import Photo, PhotoState, PhotoTag, Tag, TagSource
from photos.models.photo import place_untagged
from photos.services.tagging import MAX_NAME

JOB: Final = "photos.jobs.tag_place"
PREFIX: Final = "place"
LOCATION_FIELDS: Final = frozenset({"latitude", "longitude", "location_visibility"})


def tag_place(photo_id: int) -> bool:
    """Make the photo's automatic place tags those of its public point; False where they are already.

    A hidden or missing place has none, an approximate one those of its cell's middle.
    """
    columns = ("public_latitude", "public_longitude")
    point = Photo.objects.filter(place_untagged(), pk=photo_id).values_list(*columns).first()
    if point is None:
        return False
    tags = [] if point[0] is None else _tags_at(*point)
    still_there = Q(**dict(zip(columns, point, strict=True))) if point[0] is not None else Q(public_latitude=None)
    with transaction.atomic():
        if not Photo.objects.filter(still_there, pk=photo_id).update(
            tagged_latitude=point[0], tagged_longitude=point[1]
        ):
            return False  # moved meanwhile: for the next round
        given = PhotoTag.objects.filter(photo_id=photo_id, source=TagSource.AUTOMATIC, tag__is_place=True)
        given.exclude(tag__in=tags).delete()
        rows = [PhotoTag(photo_id=photo_id, tag=tag, source=TagSource.AUTOMATIC) for tag in tags]
        PhotoTag.objects.bulk_create(rows, ignore_conflicts=True)
    return True


def forget_moved(photo_ids: Iterable[int]) -> None:
    """Drop the automatic place tags of photos that were moved or hidden, and have them tagged anew."""
    ids = list(photo_ids)
    with transaction.atomic():
        moved = list(Photo.objects.filter(place_untagged(), pk__in=ids).values_list("pk", flat=True))
        if not moved:
            return
        Photo.objects.filter(pk__in=moved).update(tagged_latitude=None, tagged_longitude=None)
        PhotoTag.objects.filter(photo__in=moved, source=TagSource.AUTOMATIC, tag__is_place=True).delete()
    first = moved[: queues.FULL // 10]
    transaction.on_commit(partial(queues.ring, "index", JOB, first, prefix=PREFIX), robust=True)


def requeue() -> int:
    """Ring for photos whose place tags are not their point's; those being indexed get theirs with it."""
    waiting = queues.waiting_ids("index", prefix=PREFIX)
    if waiting is None or len(waiting) >= queues.FULL // 10:
        return 0
    at_rest = Photo.objects.filter(place_untagged()).exclude(state__in=[PhotoState.PENDING, PhotoState.INDEXING])
    ids = at_rest.order_by("pk").values_list("pk", flat=True)[: queues.FULL // 10]
    return queues.ring("index", JOB, [pk for pk in ids if pk not in waiting], prefix=PREFIX)


def _tags_at(latitude: float, longitude: float) -> list[Tag]:
    names = find_place_names(latitude, longitude)
    found = (("country", names.country), ("region", names.region), ("town", names.town))
    return [tag for category, name in found if name and (tag := _place_tag(name, category))]


def _place_tag(name: str, category: str) -> Tag | None:
    """Return the tag of a place: Georgia the country and Georgia the region are two, and neither is a word."""
    slug = slugify(name, allow_unicode=True)[: MAX_NAME - 20].strip("-_")
    if not slug:
        return None
    for candidate in (slug, f"{slug}-{category}"):
        tag, _made = Tag.objects.get_or_create(
            slug=candidate, defaults={"name": name[:MAX_NAME], "category": category, "is_place": True}
        )
        if tag.is_place and tag.category == category:
            return tag
        if not tag.category and not tag.in_vocabulary:  # made by a person, for the same place
            Tag.objects.filter(pk=tag.pk).update(is_place=True, category=category)
            return tag
    return None
