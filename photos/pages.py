"""The collection's pages and pictures: parse, call one service, answer."""

from __future__ import annotations

import mimetypes
import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from rest_framework.exceptions import ValidationError

from photos.api.pagination import decode_cursor, take_page
from photos.api.presenting import may_edit
from photos.derivatives import CONTENT_TYPE, SIDES, derivative
from photos.filters import PhotoFilters
from photos.models import Photo, PhotoState, Tag
from photos.outlines import outline_path
from photos.querysets import PhotoQuerySet, Viewer, knows_exactly, location_for
from photos.vision.errors import ImageRefused

PAGE_SIZE = 60
HUES = 10
MAX_TAGS = 100
PRIVATE_MAX_AGE_S = 3600
PUBLIC_MAX_AGE_S = 86_400
YES_NO = {"yes": True, "no": False}


def visible_photos(request: HttpRequest) -> PhotoQuerySet:
    return Photo.objects.all().visible_to(request.user)


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


@require_GET
def photo_image(request: HttpRequest, identity: uuid.UUID, size: str) -> HttpResponseBase:
    """A copy without metadata; its ETag is the picture's digest and size, so that it is sent once."""
    photo = get_object_or_404(visible_photos(request), uuid=identity)
    if size not in SIDES:
        raise Http404(_("There is no such size."))
    etag = f'"{photo.sha256[:16]}-{size}"'
    response: HttpResponseBase
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponseNotModified()
    else:
        try:
            response = FileResponse(derivative(photo, size), content_type=CONTENT_TYPE)
        except (FileNotFoundError, ImageRefused) as exc:
            raise Http404(_("This picture cannot be shown.")) from exc
    public = photo.visibility == "public"
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = (
        f"public, max-age={PUBLIC_MAX_AGE_S}" if public else f"private, max-age={PRIVATE_MAX_AGE_S}"
    )
    return response


@require_GET
def photo_original(request: HttpRequest, identity: uuid.UUID) -> HttpResponseBase:
    """The file as it came, with its metadata: for its owner and curators only."""
    photo = get_object_or_404(visible_photos(request), uuid=identity)
    if not may_edit(photo, request.user):
        raise PermissionDenied
    try:
        file = photo.image.open("rb")
    except FileNotFoundError as exc:
        raise Http404(_("The picture's file is missing.")) from exc
    name = photo.original_name or str(photo.image.name)
    kind = mimetypes.guess_type(str(photo.image.name))[0] or "application/octet-stream"
    response = FileResponse(file, as_attachment=True, filename=name, content_type=kind)
    response.headers["Cache-Control"] = "private, no-store"
    return response
