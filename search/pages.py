"""The pages that ask and answer: parse, call one service, answer."""

from __future__ import annotations

import io
import uuid
from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_GET, require_http_methods
from PIL import Image
from rest_framework.request import Request

from photos.models import Photo
from photos.vision.errors import ImageRefused
from photos.vision.images import read_image
from search import examples, requests, services
from search.api.views import LocateView
from search.models import SearchRequest
from search.presentation import present_result
from search.types import STAGES

STAGE_NAMES = {
    "reading": gettext_lazy("reading the photo"),
    "segmenting": gettext_lazy("finding its segments"),
    "describing": gettext_lazy("describing them"),
    "searching": gettext_lazy("searching the collection"),
    "verifying": gettext_lazy("comparing point by point"),
    "locating": gettext_lazy("working out the place"),
}
SOURCE_NAMES = {"exif": gettext_lazy("The file's EXIF"), "visual": gettext_lazy("Visual comparison")}
LONG_WAIT_S = 20
QUERY_SIDE = 1600
EXAMPLE_SIDE = 320
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
        raise QuestionRefused(_("The file is larger than %d MiB.") % settings.MAX_UPLOAD_MIB, status=413)
    _hold_rate(request)
    upload, name = _read_upload(request)
    if not request.session.session_key:
        request.session.create()
    try:
        return requests.submit(
            upload, viewer=request.user, session_key=request.session.session_key or "", original_name=name
        )
    except ImageRefused as exc:
        raise QuestionRefused(str(exc), status=REFUSED_STATUS.get(exc.code, 400)) from exc


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


def _hold_rate(request: HttpRequest) -> None:
    """Count the question together with those that come by the API."""
    view, asked = LocateView(), Request(request)
    asked.user = request.user
    for throttle in view.get_throttles():
        if not throttle.allow_request(asked, view):
            seconds = int(throttle.wait() or 1)
            raise QuestionRefused(_("So many questions! Try again in %d seconds.") % seconds, status=429)


def _refuse(request: HttpRequest, detail: str, *, status: int) -> HttpResponse:
    if _wants_page(request):
        return _ask_page(request, error=detail, status=status)
    return JsonResponse({"detail": detail}, status=status)


def _ask_page(request: HttpRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    located = Photo.objects.all().visible_to(request.user).indexed().located()
    context = {
        "section": "locate",
        "error": error,
        "placed": located.count(),
        "examples": examples.list_examples(),
        "max_mib": settings.MAX_UPLOAD_MIB,
        "max_bytes": settings.MAX_UPLOAD_MIB * 1024 * 1024,
        "keep_hours": settings.SEARCH_REQUEST_HOURS,
    }
    return render(request, "locate/ask.html", context, status=status)


def _find_question(request: HttpRequest, identity: uuid.UUID) -> SearchRequest:
    try:
        return requests.find_for(identity, viewer=request.user, session_key=request.session.session_key or "")
    except SearchRequest.DoesNotExist as exc:
        raise Http404(_("No question of that address is yours, or it has expired.")) from exc


@require_GET
@never_cache
def locate_result(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """Show how far the question has come, or its answer; htmx gets the part without the frame."""
    question = _find_question(request, identity)
    answer = requests.present(question, viewer=request.user)
    context = {
        "section": "locate",
        "question": question,
        "answer": tell(answer),
        "is_over": requests.is_over(question),
        "is_waiting_long": (timezone.now() - question.created_at).total_seconds() > LONG_WAIT_S,
        "stages": _stages(question.stage),
        "coordinate": format_coordinate(answer["location"]),
    }
    template = "locate/part.html" if getattr(request, "htmx", False) else "locate/result.html"
    return render(request, template, context)


def tell(answer: dict[str, Any]) -> dict[str, Any]:
    """Add what people read: percentages, how many points agree, the sources' names."""
    for match in answer["matches"]:
        match["percent"] = round(100 * match["similarity"])
        found = match["verification"]
        confirmed = found is not None and found["level"] != "none"
        match["agreeing"] = max(found["fundamental_inliers"], found["homography_inliers"]) if confirmed else 0
    for source in answer.get("sources", []):
        source["name"] = str(SOURCE_NAMES.get(source["source"], source["source"]))
    return answer


def format_coordinate(location: dict[str, Any] | None) -> str:
    return "" if location is None else f"{location['latitude']:.6f}, {location['longitude']:.6f}"


def _stages(current: str) -> list[dict[str, str]]:
    reached = STAGES.index(current) if current in STAGES else -1
    status = ["done" if i < reached else "now" if i == reached else "" for i in range(len(STAGES))]
    return [{"name": str(STAGE_NAMES[stage]), "status": status[i]} for i, stage in enumerate(STAGES)]


@require_GET
@cache_control(private=True, max_age=3600)
def locate_image(request: HttpRequest, identity: uuid.UUID) -> HttpResponseBase:
    """The asker's own picture, upright and without metadata."""
    question = _find_question(request, identity)
    try:
        with question.image.open("rb") as file:
            pixels = read_image(file.read(), max_side=QUERY_SIDE).pixels
    except (FileNotFoundError, ImageRefused) as exc:
        raise Http404(_("This photo cannot be shown.")) from exc
    return _jpeg(Image.fromarray(pixels), side=QUERY_SIDE)


@require_GET
@cache_control(public=True, max_age=86400)
def example_image(request: HttpRequest, name: str) -> HttpResponseBase:
    try:
        picture = Image.open(io.BytesIO(examples.read_example(name)))
    except FileNotFoundError as exc:
        raise Http404(_("There is no such example.")) from exc
    picture.draft("RGB", (EXAMPLE_SIDE, EXAMPLE_SIDE))
    return _jpeg(picture, side=EXAMPLE_SIDE)


def _jpeg(picture: Image.Image, *, side: int) -> HttpResponseBase:
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    buffer.seek(0)
    return FileResponse(buffer, content_type="image/jpeg")


@require_GET
def photo_similar(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """The photos most like one of the collection."""
    photo = get_object_or_404(Photo.objects.all().visible_to(request.user), uuid=identity)
    result = services.similar_to_photo(photo, viewer=request.user, limit=SIMILAR_LIMIT)
    answer = tell(present_result(result, viewer=request.user))
    template = "photos/similar.html" if getattr(request, "htmx", False) else "photos/similar_page.html"
    return render(request, template, {"section": "gallery", "photo": photo, "matches": answer["matches"]})
