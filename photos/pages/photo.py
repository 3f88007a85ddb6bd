"""The page of one photo."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from photos.api.presenting import may_edit
from photos.history import history_of
from photos.models import EmbeddingSpace, Photo
from photos.models.embedding import SpaceState
from photos.outlines import outline_path
from photos.pages.asking import Asked, read_asked, visible_photos
from photos.pages.chips import gallery_url
from photos.paging import newer_than, older_than
from photos.querysets import PhotoQuerySet, is_curator, knows_exactly, location_for
from photos.services.duplicates import pairs_of

HUES = 10


@dataclass(frozen=True, slots=True)
class DrawnSegment:
    """A segment as the page draws it: its outline in pixels of the photo, and what it is tagged with."""

    number: int
    path: str
    hue: int
    tags: tuple[str, ...]
    rank: int
    is_searchable: bool
    """Whether the space that searches use knows it."""


@require_safe
def photo_page(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """One photo with all that the viewer may know of it, and its neighbours in the gallery it was opened from."""
    photo = get_object_or_404(visible_photos(request), uuid=identity)
    asked = read_asked(request)
    editable = may_edit(photo, request.user)
    given = list(photo.photo_tags.select_related("tag").order_by("-tag__is_place", "tag__name"))
    context = {
        "section": "gallery",
        "photo": photo,
        "asked": asked,
        "gallery_url": gallery_url(asked),
        # the file's own name may tell more than its owner means to
        "heading": photo.title or (editable and photo.original_name) or _("Untitled photo"),
        **_place(photo, request),
        "may_edit": editable,
        "tags": [one.tag for one in given if not one.tag.is_place],
        "place_tags": [one.tag for one in given if one.tag.is_place],
        "segments": list(drawn_segments(photo)),
        **_neighbour_urls(photo, asked, request),
    }
    if is_curator(request.user):
        context |= {"history": history_of(photo), "duplicates": _duplicates(photo)}
    return render(request, "photos/photo.html", context)


def _place(photo: Photo, request: HttpRequest) -> dict[str, Any]:
    point = location_for(photo, request.user)
    return {
        "point": point,
        "coordinate": "" if point is None else f"{point[0]:.5f}, {point[1]:.5f}",
        "is_exact": knows_exactly(photo, request.user),
    }


def _neighbour_urls(photo: Photo, asked: Asked, request: HttpRequest) -> dict[str, str]:
    """Where the photos before and after this one lie, in the gallery with the same filters."""
    newer, older = neighbours(photo, asked.photos(request.user))
    query = f"?{asked.query}" if asked.query else ""
    return {
        "newer_url": f"{newer.get_absolute_url()}{query}" if newer else "",
        "older_url": f"{older.get_absolute_url()}{query}" if older else "",
    }


def neighbours(photo: Photo, photos: PhotoQuerySet) -> tuple[Photo | None, Photo | None]:
    """Return the photos before and after this one in the gallery, with little more than their names."""
    position = photo.created_at, photo.uuid
    known = photos.only("uuid")
    return (
        known.filter(newer_than(position)).order_by("created_at", "uuid").first(),
        known.filter(older_than(position)).order_by("-created_at", "-uuid").first(),
    )


def drawn_segments(photo: Photo) -> Iterator[DrawnSegment]:
    """Yield the segments of one segmenter, the active space's if it has any; the largest first, small ones on top."""
    asked = EmbeddingSpace.objects.filter(state=SpaceState.ACTIVE).values_list("segmenter", flat=True).first()
    segments = list(photo.segments.order_by("segmenter", "-area").prefetch_related("segment_tags__tag"))
    drawn = asked if any(one.segmenter == asked for one in segments) else None
    for segment in segments:
        if segment.segmenter == (drawn or segments[0].segmenter):
            yield DrawnSegment(
                number=segment.rank + 1,
                path=outline_path(segment, photo_width=photo.width, photo_height=photo.height),
                hue=segment.rank % HUES,
                tags=tuple(given.tag.name for given in segment.segment_tags.all()),
                rank=segment.rank,
                is_searchable=drawn is not None,
            )


def _duplicates(photo: Photo) -> list[dict[str, Any]]:
    """The photos that are nearly this one, with what makes them so."""
    pairs = pairs_of(photo.pk).filter(dismissed_at=None).select_related("photo_a", "photo_b")
    return [
        {"photo": pair.photo_b if pair.photo_a_id == photo.pk else pair.photo_a, "kind": pair.get_kind_display()}
        for pair in pairs
    ]
