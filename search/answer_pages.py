"""The pages of a question on its way and of its answer: parse, call one service, answer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_POST, require_safe

from photos.models import Photo, Visibility
from photos.querysets import is_curator
from photos.vision.errors import ImageRefused
from search import contributing, requests, sharing
from search.line import look_at_line
from search.models import RequestState, SearchRequest
from search.pages import QuestionRefused, asker_key, hold_rate
from search.parameters import BOX_FIELDS, read_parameters, tell_parameters
from search.pictures import query_picture
from search.presentation import present_result
from search.refining import knows_words, refine, trail_of
from search.telling import format_coordinate, tell, tell_line, tell_refusal, tell_stages

MAX_SUGGESTED_TAGS = 40


def find_question(request: HttpRequest, identity: uuid.UUID) -> SearchRequest:
    try:
        return requests.find_for(identity, viewer=request.user, session_key=_known_key(request))
    except SearchRequest.DoesNotExist as exc:
        raise Http404(_("No question of that address is yours, or it has expired.")) from exc


def _known_key(request: HttpRequest) -> str:
    """Return the session's key without making a session for whoever merely looks."""
    return str(request.session.get("asked_as") or request.session.session_key or "")


@require_safe
@never_cache
def locate_result(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """Show how far the question has come, or its answer.

    htmx gets the parts that changed since what it has `seen`, and 204 where nothing did.
    """
    question = find_question(request, identity)
    if requests.is_over(question):
        context, seen = _answer_context(request, question), ""
    else:
        context = _progress_context(request, question)
        seen = context["seen"]
    if not getattr(request, "htmx", False):
        return render(request, "locate/result.html", context)
    if seen and seen == request.GET.get("seen"):
        return HttpResponse(status=204)
    had_first = request.GET.get("seen", "").endswith(".first")
    return render(request, "locate/part.html", {**context, "is_part": True, "had_first": had_first})


def _progress_context(request: HttpRequest, question: SearchRequest) -> dict[str, Any]:
    first = requests.read_first_result(question, viewer=request.user)
    line = tell_line(look_at_line(question))
    return {
        "section": "locate",
        "question": question,
        "image": reverse("locate-image", args=[question.uuid]),
        "is_over": False,
        "stages": tell_stages(question.stage),
        "line": line,
        "asked": tell_parameters(question.parameters),
        "trail": _trail(request, question),
        "answer": None if first is None else tell(present_result(first, viewer=request.user), first),
        "seen": f"{question.state}.{question.stage}.{line}.{'first' if first and first.matches else ''}",
    }


def _answer_context(request: HttpRequest, question: SearchRequest) -> dict[str, Any]:
    result = requests.read_result(question, viewer=request.user)
    answer = requests.present(question, viewer=request.user)
    context = {
        "section": "locate",
        "question": question,
        "image": reverse("locate-image", args=[question.uuid]),
        "is_over": True,
        "answer": tell(answer, result),
        "coordinate": format_coordinate(answer["location"]),
        "asked": tell_parameters(question.parameters),
        "trail": _trail(request, question),
    }
    if question.state == RequestState.FAILED:
        return {**context, "detail": question.error_detail if is_curator(request.user) else ""}
    return {**context, **_tools(request, question)}


def _trail(request: HttpRequest, question: SearchRequest) -> list[dict[str, str]]:
    steps = trail_of(question, viewer=request.user, session_key=_known_key(request))
    return [
        {
            "url": reverse("locate-result", args=[step.uuid]),
            "name": tell_parameters(step.parameters) or _("the whole photo"),
        }
        for step in steps
    ]


def _tools(request: HttpRequest, question: SearchRequest) -> dict[str, Any]:
    token = question.share_token
    return {
        "share_url": request.build_absolute_uri(reverse("shared-answer", args=[token])) if token else "",
        "saved_photo": question.saved_photo,
        "suggestion": contributing.open_suggestion(question) if question.saved_photo_id else None,
        "knows_words": knows_words(),
        "segments": _segments_of_whole(request, question),
        "visibilities": Visibility.choices,
        "tag_names": _tag_names(request),
        **_asked_before(question.parameters),
    }


def _asked_before(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form of the next refinement starts with."""
    box = parameters.get("box") or ("", "", "", "")
    return {
        "parameters": parameters,
        "box_fields": list(zip(BOX_FIELDS, box, strict=True)),
        "tags_asked": ", ".join(parameters.get("tags", ())),
        "area_asked": ",".join(f"{degrees:.6f}" for degrees in parameters.get("filters", {}).get("bbox", ())),
    }


def _segments_of_whole(request: HttpRequest, question: SearchRequest) -> list[dict[str, Any]]:
    """Return the segments of the whole picture, by rank: the first question's, since a part has segments of its own.

    They are those that its matches tell of.
    """
    steps = trail_of(question, viewer=request.user, session_key=_known_key(request))
    first = steps[0] if steps else question
    result = None if {"box", "segment"} & first.parameters.keys() else requests.read_result(first, viewer=request.user)
    matched = () if result is None else (one for match in result.matches for one in match.segment_matches)
    boxes = {one.query_rank: one.query_box for one in matched if one.query_box is not None}
    return [{"rank": rank, "box": boxes[rank]} for rank in sorted(boxes)]


def _tag_names(request: HttpRequest) -> list[str]:
    """Return tags to choose from, those of photos that the asker may see."""
    photos = Photo.objects.all().visible_to(request.user)
    names = photos.filter(tags__isnull=False).order_by("tags__name").values_list("tags__name", flat=True).distinct()
    return list(names[:MAX_SUGGESTED_TAGS])


@require_safe
@cache_control(private=True, max_age=3600)
def locate_image(request: HttpRequest, identity: uuid.UUID) -> HttpResponseBase:
    """The asker's own picture, upright and without metadata."""
    return query_picture(find_question(request, identity))


@require_POST
def locate_refine(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """Ask on with a part of the picture, words or filters, or the same once again."""
    question = find_question(request, identity)
    try:
        hold_rate(request)
        parameters = question.parameters if "again" in request.POST else read_parameters(request.POST, question)
        refined = refine(question, parameters, viewer=request.user, session_key=asker_key(request))
    except QuestionRefused as exc:
        messages.error(request, str(exc))
        return redirect("locate-result", identity)
    except ImageRefused as exc:
        messages.error(request, tell_refusal(exc, max_mib=settings.MAX_UPLOAD_MIB))
        return redirect("locate-result", identity)
    except FileNotFoundError as exc:
        raise Http404(_("This photo is gone.")) from exc
    return redirect("locate-result", refined.uuid)


@require_POST
def locate_share(request: HttpRequest, identity: uuid.UUID) -> HttpResponse:
    """Make the answer's link, or end it."""
    question = find_question(request, identity)
    if "stop" in request.POST:
        sharing.stop_sharing(question)
    elif question.state == RequestState.DONE:
        sharing.share(question)
    if not getattr(request, "htmx", False):
        return redirect(reverse("locate-result", args=[identity]) + "#share")
    token = question.share_token
    url = request.build_absolute_uri(reverse("shared-answer", args=[token])) if token else ""
    return render(request, "locate/share.html", {"question": question, "share_url": url})


@require_safe
@never_cache
def shared_answer(request: HttpRequest, token: str) -> HttpResponse:
    """An answer as anyone with its link may know it."""
    question = _find_shared(token)
    result = sharing.read_shared_result(question, viewer=request.user)
    if result is None:
        raise Http404(_("This link leads nowhere any more."))
    answer = tell(present_result(result, viewer=request.user), result)
    context = {
        "section": "locate",
        "question": question,
        "image": reverse("shared-image", args=[token]),
        "answer": answer,
        "coordinate": format_coordinate(answer["location"]),
        "is_shared": True,
        "is_over": True,
    }
    response = render(request, "locate/shared.html", context)
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@require_safe
@cache_control(private=True, max_age=300)
def shared_image(request: HttpRequest, token: str) -> HttpResponseBase:
    return query_picture(_find_shared(token))


def _find_shared(token: str) -> SearchRequest:
    try:
        return sharing.find_shared(token)
    except SearchRequest.DoesNotExist as exc:
        raise Http404(_("This link leads nowhere: it has expired, or its owner has ended it.")) from exc
