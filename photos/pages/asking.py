"""What an address asks of the collection: whose photos, and which of them."""

from __future__ import annotations

from django.http import HttpRequest

from photos.filters import PhotoFilters
from photos.models import Photo, PhotoState
from photos.querysets import PhotoQuerySet

YES_NO = {"yes": True, "no": False}


def visible_photos(request: HttpRequest) -> PhotoQuerySet:
    return Photo.objects.all().visible_to(request.user)


def read_filters(request: HttpRequest) -> PhotoFilters:
    """Read the filters in the address; what makes no sense is left out."""
    state = request.GET.get("state", "")
    tag = request.GET.get("tag", "").strip()
    return PhotoFilters(
        text=request.GET.get("q", "").strip()[:200],
        tags=(tag,) if tag else (),
        has_location=YES_NO.get(request.GET.get("located", "")),
        state=state if state in PhotoState.values else "",
    )
