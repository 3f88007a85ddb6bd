"""The pages that ask and answer: parse, call one service, answer."""

from __future__ import annotations

import io
import uuid
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe
from PIL import Image

from photos.filter_parameters import InvalidParameterError
from photos.filters import PhotoFilters
from photos.models import Photo
from photos.pages.rates import held_to_rate, seconds_to_wait
from photos.vision.errors import ImageRefused
from search import examples, requests, services
from search.api.views import LocateView, SimilarPhotosView
from search.asking import ask
from search.errors import QuestionError
from search.models import SearchRequest
from search.pictures import picture_response
from search.presentation import present_result
from search.question import Question
from search.telling import tell, tell_refusal
from search.types import SearchResult

EXAMPLES_SHOWN = 6
EXAMPLE_SIDE = 320
EXAMPLE_QUALITY = 50
REFUSED_STATUS = {"too-large": 413, "too-many-pixels": 413, "unsupported-format": 415}
OVERHEAD_BYTES = 64 * 1024
SIMILAR_LIMIT = 12


class QuestionRefused(Exception):  # noqa: N818 - it is told to people
    """A question that is not taken, and the status that says so."""

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(detail)
        self.status = status


@require_http_methods(["GET", "HEAD", "POST"])
def locate(request: HttpRequest) -> HttpResponse:
    """Show the question, or take it and lead to its answer."""
    if request.method != "POST":
        return _ask_page(request)
    try:
        question = _take_question(request)
    except QuestionRefused as exc:
        return _refuse(request, str(exc), status=exc.status)
    url = reverse("locate-result", args=[question.uuid])
    return redirect(url) if _wants_page(request) else JsonResponse({"url": url}, status=201)


def _wants_page(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _take_question(request: HttpRequest) -> SearchRequest:
    limit_bytes = settings.MAX_UPLOAD_MIB * 1024 * 1024
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit_bytes + OVERHEAD_BYTES:
        refusal = ImageRefused("too large", code="too-large")
        raise QuestionRefused(tell_refusal(refusal, max_mib=settings.MAX_UPLOAD_MIB), status=413)
    hold_rate(request)
    upload, name = _read_upload(request)
    try:
        return requests.submit(upload, viewer=request.user, session_key=asker_key(request), original_name=name)
    except ImageRefused as exc:
        detail = tell_refusal(exc, max_mib=settings.MAX_UPLOAD_MIB)
        raise QuestionRefused(detail, status=REFUSED_STATUS.get(exc.code, 400)) from exc


def asker_key(request: HttpRequest) -> str:
    """Return what the session's questions are filed under.

    It outlives signing in, which gives the session another key: a visitor who signs in to save an answer still
    has it.
    """
    if "asked_as" not in request.session:
        if not request.session.session_key:
            request.session.create()
        request.session["asked_as"] = request.session.session_key
    return str(request.session["asked_as"])


def _read_upload(request: HttpRequest) -> tuple[Any, str]:
    if name := request.POST.get("example"):
        try:
            return examples.read_example(name), name
        except FileNotFoundError as exc:
            raise QuestionRefused(_("There is no such example."), status=400) from exc
    upload = request.FILES.get("image")
    if upload is None:
        raise QuestionRefused(_("Choose a photo first."), status=400)
    return upload, upload.name or ""


def hold_rate(request: HttpRequest) -> None:
    """Count the question together with those that come by the API."""
    if seconds := seconds_to_wait(request, LocateView.throttle_scope):
        raise QuestionRefused(_("So many questions! Try again in %d seconds.") % seconds, status=429)


def _refuse(request: HttpRequest, detail: str, *, status: int) -> HttpResponse:
    if _wants_page(request):
        return _ask_page(request, error=detail, status=status)
    return JsonResponse({"detail": detail}, status=status)


def _ask_page(request: HttpRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    ready = Photo.objects.all().visible_to(request.user).indexed()
    placed = PhotoFilters(has_location=True).apply(ready, viewer=request.user)
    context = {
        "section": "locate",
        "error": error,
        "placed": placed.count(),
        "examples": examples.list_examples()[:EXAMPLES_SHOWN],
        "max_mib": settings.MAX_UPLOAD_MIB,
        "max_bytes": settings.MAX_UPLOAD_MIB * 1024 * 1024,
        "keep_hours": settings.SEARCH_REQUEST_HOURS,
    }
    return render(request, "locate/ask.html", context, status=status)


@require_safe
@cache_control(public=True, max_age=86400)
def example_image(request: HttpRequest, name: str) -> HttpResponseBase:
    try:
        picture = Image.open(io.BytesIO(examples.read_example(name)))
    except FileNotFoundError as exc:
        raise Http404(_("There is no such example.")) from exc
    picture.draft("RGB", (EXAMPLE_SIDE, EXAMPLE_SIDE))
    return picture_response(picture, side=EXAMPLE_SIDE, kind="WEBP", quality=EXAMPLE_QUALITY)


@require_safe
@held_to_rate(SimilarPhotosView.throttle_scope)
def photo_similar(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """The photos most like one of the collection, or that show what its segment of `?segment=`, a rank, shows."""
    photo = get_object_or_404(Photo.objects.all().visible_to(request.user), uuid=identity)
    part = request.GET.get("segment", "")
    try:
        result = _photos_with_segment(photo, part, request) if part else _photos_like(photo, request)
    except (QuestionError, InvalidParameterError) as exc:
        raise Http404(str(exc)) from exc
    answer = tell(present_result(result, viewer=request.user))
    template = "photos/similar.html" if getattr(request, "htmx", False) else "photos/similar_page.html"
    context = {"section": "gallery", "photo": photo, "matches": answer["matches"]}
    if part:
        context["segment_number"] = int(part) + 1
    return render(request, template, context)


def _photos_like(photo: Photo, request: HttpRequest) -> SearchResult:
    return services.similar_to_photo(photo, viewer=request.user, limit=SIMILAR_LIMIT)


def _photos_with_segment(photo: Photo, rank: str, request: HttpRequest) -> SearchResult:
    given = {"photo": photo.uuid, "segment": rank, "mode": "object", "limit": SIMILAR_LIMIT}
    return ask(Question.from_parameters(given), viewer=request.user)
