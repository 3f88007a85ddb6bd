"""Pages of photos in both directions, by where a page begins or ends: whatever arrives meanwhile shifts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db.models import Q

from photos.api.pagination import Position, encode_cursor
from photos.models import Photo
from photos.querysets import PhotoQuerySet

COUNT_CAP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Photos, the newest first; the cursors are where the pages around it lie, None where there is none."""

    photos: list[Photo]
    newer: str | None
    older: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are, or that there are more than anyone will count."""

    number: int
    is_capped: bool


def older_than(position: Position) -> Q:
    created_at, identity = position
    # the second condition lets the index begin at the right place
    same = Q(created_at=created_at, uuid__lt=identity)
    return (Q(created_at__lt=created_at) | same) & Q(created_at__lte=created_at)


def newer_than(position: Position) -> Q:
    created_at, identity = position
    same = Q(created_at=created_at, uuid__gt=identity)
    return (Q(created_at__gt=created_at) | same) & Q(created_at__gte=created_at)


def take_newest(photos: PhotoQuerySet, *, after: Position | None = None, limit: int) -> Page:
    """Return the newest photos, or those that follow a position."""
    wanted = photos if after is None else photos.filter(older_than(after))
    found = list(wanted.order_by("-created_at", "-uuid")[: limit + 1])
    page = found[:limit]
    has_newer = after is not None and bool(page) and photos.filter(newer_than(_position(page[0]))).exists()
    return Page(page, encode_cursor(page[0]) if has_newer else None, _last(page) if len(found) > limit else None)


def take_before(photos: PhotoQuerySet, *, before: Position, limit: int) -> Page:
    """Return the photos that lead up to a position."""
    found = list(photos.filter(newer_than(before)).order_by("created_at", "uuid")[: limit + 1])
    page = found[:limit][::-1]
    return Page(page, encode_cursor(page[0]) if len(found) > limit else None, _last(page))


def count_up_to(photos: PhotoQuerySet, cap: int = COUNT_CAP) -> Count:
    """Count, but not past the cap."""
    number = photos.order_by()[: cap + 1].count()
    return Count(min(number, cap), number > cap)


def _position(photo: Photo) -> Position:
    return photo.created_at, photo.uuid


def _last(page: list[Photo]) -> str | None:
    return encode_cursor(page[-1]) if page else None
