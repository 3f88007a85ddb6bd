"""Answers in the API's words: those of `search.presentation`, with whole addresses."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework.request import Request

from search import requests
from search.models import SearchRequest
from search.presentation import present_result
from search.types import SearchResult

MATCHES_ONLY = ("matches", "space", "timings_ms")


def present_answer(question: SearchRequest, request: Request) -> dict[str, Any]:
    answer = requests.present(question, viewer=request.user)
    return {
        **_with_addresses(answer, request),
        "url": request.build_absolute_uri(reverse("api-answer", args=[question.uuid])),
        "page": request.build_absolute_uri(answer["url"]),
    }


def present_matches(result: SearchResult, request: Request) -> dict[str, Any]:
    told = _with_addresses(present_result(result, viewer=request.user), request)
    return {name: told[name] for name in MATCHES_ONLY}


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
