"""The page of one photo."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from photos.api.presenting import may_edit
from photos.models import Photo
from photos.outlines import outline_path
from photos.pages.asking import visible_photos
from photos.querysets import PhotoQuerySet, knows_exactly, location_for

HUES = 10


@require_GET
def photo_page(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """One photo with all that the viewer may know of it."""
    photo = get_object_or_404(visible_photos(request), uuid=identity)
    point = location_for(photo, request.user)
    editable = may_edit(photo, request.user)
    newer, older = neighbours(photo, visible_photos(request))
    context = {
        "section": "gallery",
        "photo": photo,
        # the file's own name may tell more than its owner means to
        "heading": photo.title or (editable and photo.original_name) or _("Untitled photo"),
        "point": point,
        "coordinate": "" if point is None else f"{point[0]:.5f}, {point[1]:.5f}",
        "is_exact": knows_exactly(photo, request.user),
        "may_edit": editable,
        "tags": photo.photo_tags.select_related("tag").order_by("-tag__is_place", "tag__name"),
        "segments": drawn_segments(photo),
        "newer": newer,
        "older": older,
    }
    return render(request, "photos/photo.html", context)


def neighbours(photo: Photo, photos: PhotoQuerySet) -> tuple[uuid.UUID | None, uuid.UUID | None]:
    """Return the uuids of the photos before and after this one in the gallery."""
    same = Q(created_at=photo.created_at)
    newer = photos.filter(Q(created_at__gt=photo.created_at) | same & Q(uuid__gt=photo.uuid))
    older = photos.filter(Q(created_at__lt=photo.created_at) | same & Q(uuid__lt=photo.uuid))
    return (
        newer.order_by("created_at", "uuid").values_list("uuid", flat=True).first(),
        older.order_by("-created_at", "-uuid").values_list("uuid", flat=True).first(),
    )


def drawn_segments(photo: Photo) -> list[dict[str, Any]]:
    """Return the segments of one segmenter, the largest first so that small ones lie on top."""
    segments = list(photo.segments.order_by("segmenter", "-area").prefetch_related("segment_tags__tag"))
    return [
        {
            "path": outline_path(segment, photo_width=photo.width, photo_height=photo.height),
            "hue": segment.rank % HUES,
            "title": ", ".join(given.tag.name for given in segment.segment_tags.all()) or str(segment.rank + 1),
        }
        for segment in segments
        if segment.segmenter == segments[0].segmenter
    ]
