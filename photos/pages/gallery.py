"""The gallery: the photos that fit the filters, newest first."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from rest_framework.exceptions import ValidationError

from photos.api.pagination import Position, decode_cursor
from photos.facets import tag_counts
from photos.models import PhotoState
from photos.pages.asking import Asked, read_asked
from photos.pages.cards import card_of
from photos.pages.chips import chips_of, gallery_url
from photos.pages.selection import take_undo
from photos.paging import Count, Page, count_up_to, take_before, take_newest

PAGE_SIZE = 60


@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """A page of photos; htmx gets the cards alone, to put them before or behind those it has."""
    asked = read_asked(request)
    page = _take_page(request, asked)
    cards = {
        "page": page,
        "can_choose": True,
        **_links(asked, page),
        "photos": [card_of(photo, asked) for photo in page.photos],
    }
    if getattr(request, "htmx", False):
        return render(request, "photos/cards.html", cards)
    return render(request, "photos/gallery.html", {**cards, **_frame(request, asked, page)})


def _frame(request: HttpRequest, asked: Asked, page: Page) -> dict[str, Any]:
    return {
        "section": "gallery",
        "asked": asked,
        "count": _count(request, asked, page),
        "chips": chips_of(asked),
        "states": PhotoState.choices,
        "is_first": _is_first(request),
        "undo": take_undo(request),
        "gallery_url": reverse("gallery"),
    }


def _is_first(request: HttpRequest) -> bool:
    return not {"cursor", "before"} & set(request.GET)


def _count(request: HttpRequest, asked: Asked, page: Page) -> Count:
    if page.older is None and _is_first(request):
        return Count(len(page.photos), is_capped=False)
    return count_up_to(asked.photos(request.user))


def _take_page(request: HttpRequest, asked: Asked) -> Page:
    photos = asked.photos(request.user)
    if before := request.GET.get("before"):
        page = take_before(photos, before=_read_cursor(before), limit=PAGE_SIZE)
        return page if page.photos else take_newest(photos, limit=PAGE_SIZE)
    cursor = request.GET.get("cursor")
    return take_newest(photos, after=_read_cursor(cursor) if cursor else None, limit=PAGE_SIZE)


def _read_cursor(text: str) -> Position:
    try:
        return decode_cursor(text)
    except ValidationError as exc:
        raise Http404(_("There is no such page.")) from exc


def _links(asked: Asked, page: Page) -> dict[str, str | None]:
    return {
        "newer_url": page.newer and gallery_url(asked, before=page.newer),
        "older_url": page.older and gallery_url(asked, cursor=page.older),
    }


@require_safe
def gallery_tags(request: HttpRequest) -> HttpResponse:
    """The tags to choose from, with their counts: fetched when somebody opens the filter, since counting takes long."""
    asked = read_asked(request)
    wants_places = request.GET.get("kind") == "places"
    chosen = {asked.place} if wants_places else set(asked.tags)
    found = [tag for tag in tag_counts(request.user) if tag.is_place == wants_places]
    context = {
        "section": "gallery",
        "asked": asked,
        "kind": "places" if wants_places else "tags",
        "tags": [{"tag": tag, "is_chosen": tag.slug in chosen} for tag in found],
    }
    template = "photos/tag_choices.html" if getattr(request, "htmx", False) else "photos/tags_page.html"
    return render(request, template, context)
