"""What is done with chosen photos: taken along as a list, or, by curators, changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST
from rest_framework.request import Request

from photos.api.presenting import as_feature, present_photos
from photos.errors import InvalidTagError
from photos.models import Photo
from photos.pages.asking import MAX_CHOSEN, read_query
from photos.pages.rates import held_to_rate
from photos.querysets import is_curator
from photos.services import bulk

MAX_LISTED: Final = 10_000
PORTION: Final = 500
KINDS: Final = ("csv", "geojson")
UNDO: Final = "bulk_undo"
COLUMNS: Final = (
    *("id", "title", "latitude", "longitude", "location_visibility", "taken_at", "tags", "credit", "license"),
    *("width", "height", "page"),
)


# --- lists to take along --------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@held_to_rate("lists")
def download(request: HttpRequest, kind: str) -> HttpResponseBase:
    """The photos that fit the filters (or the chosen ones) as CSV or GeoJSON, with no more than one may know.

    More chosen ones than an address can hold come by POST.
    """
    if kind not in KINDS:
        raise Http404(_("There is no such list."))
    portions = _portions(request)
    if kind == "csv":
        response = StreamingHttpResponse(_csv_lines(portions), content_type="text/csv; charset=utf-8")
    else:
        response = StreamingHttpResponse(_geojson(portions), content_type="application/geo+json")
    response.headers["Content-Disposition"] = f'attachment; filename="photos.{kind}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _portions(request: HttpRequest) -> Iterator[list[dict[str, Any]]]:
    asked = read_query(request.POST or request.GET, viewer=request.user)
    photos = asked.photos(request.user).order_by("-created_at", "-uuid")[:MAX_LISTED]
    found: list[Photo] = list(photos)
    for start in range(0, len(found), PORTION):
        yield present_photos(found[start : start + PORTION], Request(request))


def _csv_lines(portions: Iterator[list[dict[str, Any]]]) -> Iterator[str]:
    yield "\ufeff" + _csv_line(COLUMNS)  # so that a spreadsheet reads it as UTF-8
    for portion in portions:
        for photo in portion:
            values = {**photo, "tags": "; ".join(photo["tags"])}
            yield _csv_line([_cell(values[name]) for name in COLUMNS])


def _csv_line(values: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    """A text that a spreadsheet does not take for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in "=+-@\t\r" and text else text


def _geojson(portions: Iterator[list[dict[str, Any]]]) -> Iterator[str]:
    yield '{"type": "FeatureCollection", "features": ['
    comma = ""
    for portion in portions:
        for photo in portion:
            yield comma + json.dumps(as_feature(photo), default=str)
            comma = ",\n"
    yield "]}"


# --- changes --------------------------------------------------------------------------------------------


@require_POST
def change_chosen(request: HttpRequest) -> HttpResponse:
    """Do what the form says to the chosen photos and go back; deleting asks once more."""
    if not is_curator(request.user):
        raise PermissionDenied
    asked = read_query(request.POST, viewer=request.user)
    photos = Photo.objects.filter(uuid__in=asked.chosen)
    action = request.POST.get("action", "")
    if not asked.chosen or not photos.exists():
        messages.error(request, _("Choose photos first."))
    elif action == "delete" and "confirmed" not in request.POST:
        return _confirm(request, photos)
    elif action in _ACTIONS:
        _do(request, photos, action)
    else:
        messages.error(request, _("There is no such action."))
    return redirect(_way_back(request))


def _do(request: HttpRequest, photos: QuerySet[Photo], action: str) -> None:
    try:
        done = _ACTIONS[action](request, photos)
    except InvalidTagError as exc:
        messages.error(request, str(exc))
        return
    words = ngettext("%d photo was changed.", "%d photos were changed.", done["count"])
    if action == "delete":
        words = ngettext("%d photo is in the trash.", "%d photos are in the trash.", done["count"])
    messages.success(request, words % done["count"])
    if bulk.can_undo(done):
        request.session[UNDO] = done
    else:
        request.session.pop(UNDO, None)


def _tag(request: HttpRequest, photos: QuerySet[Photo]) -> dict[str, Any]:
    names = [name.strip() for name in request.POST.get("names", "").split(",") if name.strip()]
    if not names:
        raise InvalidTagError(_("Name a tag first."))
    return bulk.add_tags(photos, names)


_ACTIONS: Final[dict[str, Callable[[HttpRequest, QuerySet[Photo]], dict[str, Any]]]] = {
    "tag": _tag,
    "public": lambda _request, photos: bulk.set_visibility(photos, "public"),
    "private": lambda _request, photos: bulk.set_visibility(photos, "private"),
    "reindex": lambda _request, photos: bulk.reindex(photos),
    "delete": lambda request, photos: bulk.delete(photos, by=cast("User", request.user)),
}


def _confirm(request: HttpRequest, photos: QuerySet[Photo]) -> HttpResponse:
    found = list(photos.order_by("-created_at", "-uuid")[:MAX_CHOSEN])
    context = {"section": "gallery", "photos": found, "count": len(found), "next": _way_back(request)}
    context |= {"ids": ",".join(str(photo.uuid) for photo in found), "days": settings.TRASH_DAYS}
    return render(request, "photos/confirm_delete.html", context)


@require_POST
def undo_change(request: HttpRequest) -> HttpResponse:
    """Take back the last change to chosen photos."""
    if not is_curator(request.user):
        raise PermissionDenied
    done = request.session.pop(UNDO, None)
    if done:
        count = bulk.undo(done)
        messages.success(request, ngettext("Undone for %d photo.", "Undone for %d photos.", count) % count)
    return redirect(_way_back(request))


def take_undo(request: HttpRequest) -> bool:
    """Whether the last change can be taken back; offered to the curator who made it."""
    return is_curator(request.user) and UNDO in request.session


def _way_back(request: HttpRequest) -> str:
    """The page that the form was on, if it is one of ours."""
    url = request.POST.get("next", "")
    return url if url_has_allowed_host_and_scheme(url, allowed_hosts=None) else reverse("gallery")
