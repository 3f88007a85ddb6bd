"""Which photos a search may find: the viewer's, narrowed by the filters, as one query set for the SQL."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q
from django.utils.text import slugify

from photos.filters import PhotoFilters
from photos.models import Photo, PhotoTag
from photos.querysets import PhotoQuerySet, Viewer
from search.types import Filters


def searchable_photos(filters: Filters, *, viewer: Viewer) -> PhotoQuerySet:
    """Return the photos that `viewer` may see and that pass the filters, of all embedding spaces.

    A box and `has_location` are asked of the place that the viewer may know.
    """
    every = filters.tags if filters.tag_mode == "all" else ()
    known = PhotoFilters(box=filters.bbox, tags=every, has_location=filters.has_location)
    photos = known.apply(Photo.objects.visible_to(viewer), viewer=viewer)
    if filters.collection is not None:
        photos = filters.collection.apply(photos, viewer=viewer)
    return photos.filter(_plain_conditions(filters)).order_by()


def are_narrow(filters: Filters) -> bool:
    """Whether the filters leave out more than the few photos of `exclude`."""
    listed = filters.collection is not None and filters.collection != PhotoFilters()
    return listed or replace(filters, exclude=(), collection=None) != Filters()


def _plain_conditions(filters: Filters) -> Q:
    wanted = Q()
    if filters.tags and filters.tag_mode == "any":
        wanted &= Q(_tagged_with_any(filters.tags))
    if filters.taken_from is not None:
        wanted &= Q(taken_at__gte=filters.taken_from)
    if filters.taken_until is not None:
        wanted &= Q(taken_at__lte=filters.taken_until)
    if filters.owner_id is not None:
        wanted &= Q(owner_id=filters.owner_id)
    if filters.states:
        wanted &= Q(state__in=filters.states)
    if filters.exclude:
        wanted &= ~Q(pk__in=filters.exclude)
    return wanted


def _tagged_with_any(tags: tuple[str, ...]) -> Exists:
    named = reduce(or_, (Q(tag__name__iexact=tag) for tag in tags))
    slugs = Q(tag__slug__in=[slugify(tag, allow_unicode=True) for tag in tags])
    return Exists(PhotoTag.objects.filter(slugs | named, photo=OuterRef("pk")))
