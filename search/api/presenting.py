"""Answers in the API's words: those of `search.presentation`, with whole addresses."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework.request import Request

from search import requests
from search.api.question_fields import encode_cursor
from search.models import RequestState, SearchRequest
from search.presentation import present_result
from search.question import MAX_LIMIT
from search.types import SearchResult

MATCHES_ONLY = ("matches", "space", "timings_ms", "next_cursor")


def present_answer(question: SearchRequest, request: Request, *, limit: int | None = None, offset: int = 0) -> Any:
    answer = requests.present(question, viewer=request.user, limit=MAX_LIMIT)
    return {
        **_page(_with_addresses(answer, request), limit or requests.limit_of(question), offset),
        "url": request.build_absolute_uri(reverse("api-answer", args=[question.uuid])),
        "page": request.build_absolute_uri(answer["url"]),
    }


def present_at_once(result: SearchResult, request: Request, *, limit: int, offset: int = 0) -> dict[str, Any]:
    """Return the answer to a question that is not kept."""
    told = _with_addresses(present_result(result, viewer=request.user), request)
    unkept = {"id": None, "url": None, "page": None, "state": RequestState.DONE.value, "stage": "", "error": ""}
    return {**unkept, **_page(told, limit, offset)}


def present_matches(result: SearchResult, request: Request, *, limit: int, offset: int = 0) -> dict[str, Any]:
    told = present_at_once(result, request, limit=limit, offset=offset)
    return {name: told[name] for name in MATCHES_ONLY}


def _page(told: dict[str, Any], limit: int, offset: int) -> dict[str, Any]:
    end = offset + limit
    following = encode_cursor(end) if end < min(len(told["matches"]), MAX_LIMIT) else None
    return {**told, "matches": told["matches"][offset:end], "next_cursor": following}


def _with_addresses(told: dict[str, Any], request: Request) -> dict[str, Any]:
    return {**told, "matches": [_with_address(match, request) for match in told["matches"]]}


def _with_address(match: dict[str, Any], request: Request) -> dict[str, Any]:
    return {
        **match,
        "thumbnail": request.build_absolute_uri(match["thumbnail"]),
        "display": request.build_absolute_uri(match["display"]),
        "url": request.build_absolute_uri(reverse("api-photo", args=[match["photo"]])),
        "page": request.build_absolute_uri(match["url"]),
    }
