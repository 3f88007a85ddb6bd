"""Where an asker gives the picture away: to the collection, or to the curators with a suggestion."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from photos.errors import DuplicatePhotoError, InvalidLocationError
from photos.models import Visibility
from photos.vision.errors import ImageRefused
from search import contributing
from search.answer_pages import find_question
from search.contributing import AlreadySavedError, SuggestionDecidedError
from search.models import SearchRequest
from search.pages import QuestionRefused, hold_rate

MAX_NOTE = 2000


@require_POST
def locate_save(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """Add the picture to the collection at the place that a signed-in asker accepts or chooses."""
    question = find_question(request, identity)
    if not request.user.is_authenticated:
        return redirect(f"{reverse('login')}?next={reverse('locate-result', args=[identity])}")
    visibility = request.POST.get("visibility", "")

    def save(latitude: float, longitude: float) -> None:
        contributing.save_to_collection(
            question,
            by=cast("User", request.user),
            latitude=latitude,
            longitude=longitude,
            title=request.POST.get("title", "").replace("\0", ""),
            visibility=visibility if visibility in Visibility.values else Visibility.PUBLIC,
        )
        messages.success(request, _("Saved. The photo is in the collection now."))

    return _contribute(request, question, save)


@require_POST
def locate_suggest(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """Offer the picture with a place to the curators."""
    question = find_question(request, identity)
    try:
        hold_rate(request)
    except QuestionRefused as exc:
        messages.error(request, str(exc))
        return _back(question)
    note = request.POST.get("note", "").replace("\0", "")[:MAX_NOTE]

    def suggest(latitude: float, longitude: float) -> None:
        contributing.suggest_place(question, by=request.user, latitude=latitude, longitude=longitude, note=note)
        messages.success(request, _("Thank you! A curator will look at your suggestion."))

    return _contribute(request, question, suggest)


@require_POST
def locate_take_back(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """Undo either: the photo leaves the collection again."""
    question = find_question(request, identity)
    try:
        contributing.take_back(question)
        messages.success(request, _("Taken back. The photo is not in the collection any more."))
    except SuggestionDecidedError:
        messages.error(request, _("A curator has decided already, so this cannot be taken back here."))
    return _back(question)


def _contribute(
    request: HttpRequest, question: SearchRequest, contribute: Callable[[float, float], Any]
) -> HttpResponse:
    """Call `contribute` with the form's point, and tell what came of it."""
    try:
        contribute(*_read_point(request))
    except InvalidLocationError:
        messages.error(request, _("Say where it is first: click on the map, or type latitude and longitude."))
    except AlreadySavedError:
        messages.error(request, _("This photo has been saved already."))
    except DuplicatePhotoError:
        messages.error(request, _("This very photo is in the collection already."))
    except ImageRefused as exc:
        messages.error(request, str(exc))
    except FileNotFoundError as exc:
        raise Http404(_("This photo is gone.")) from exc
    return _back(question)


def _read_point(request: HttpRequest) -> tuple[float, float]:
    """Return the form's latitude and longitude; their ranges are the collection's to check."""
    try:
        latitude, longitude = (float(request.POST.get(name, "")) for name in ("latitude", "longitude"))
    except ValueError as exc:
        raise InvalidLocationError("latitude and longitude must be numbers") from exc
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        raise InvalidLocationError("latitude and longitude must be finite")
    return latitude, longitude


def _back(question: SearchRequest) -> HttpResponse:
    return redirect(reverse("locate-result", args=[question.uuid]))
