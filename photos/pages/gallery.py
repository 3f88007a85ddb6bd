"""The gallery: the photos that fit the filters, newest first."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from rest_framework.exceptions import ValidationError

from photos.api.pagination import decode_cursor, take_page
from photos.filters import PhotoFilters
from photos.models import Photo, PhotoState, Tag
from photos.pages.asking import read_filters, visible_photos
from photos.querysets import Viewer

PAGE_SIZE = 60
MAX_TAGS = 100


@require_GET
def gallery(request: HttpRequest) -> HttpResponse:
    """The photos, newest first; htmx gets further cards only."""
    filters = read_filters(request)
    photos = filters.apply(visible_photos(request), viewer=request.user)
    page, cursor = take_page(photos, after=_read_cursor(request), limit=PAGE_SIZE)
    for photo in page:
        photo.ratio = f"{photo.width / max(photo.height, 1):.3f}"  # type: ignore[attr-defined]
    cards = {"photos": page, "next": _next_page(request, cursor)}
    if getattr(request, "htmx", False):
        return render(request, "photos/cards.html", cards)
    context = {
        **cards,
        "section": "gallery",
        "count": photos.count(),
        "filters": filters,
        "is_filtered": filters != PhotoFilters(),
        "tags": used_tags(request.user),
        "states": PhotoState.choices,
    }
    return render(request, "photos/gallery.html", context)


def used_tags(viewer: Viewer) -> QuerySet[Tag]:
    """Return the tags of photos that `viewer` may see, the most used first, with their `uses`."""
    photos = Photo.objects.all().visible_to(viewer)
    uses = Count("photo_tags", filter=Q(photo_tags__photo__in=photos))
    return Tag.objects.annotate(uses=uses).filter(uses__gt=0).order_by("-uses", "name")[:MAX_TAGS]


def _read_cursor(request: HttpRequest) -> Any:
    text = request.GET.get("cursor")
    if not text:
        return None
    try:
        return decode_cursor(text)
    except ValidationError as exc:
        raise Http404(_("There is no such page.")) from exc


def _next_page(request: HttpRequest, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    query = request.GET.copy()
    query["cursor"] = cursor
    return f"{request.path}?{query.urlencode()}"
