"""Refuses what no view should have to read."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

NUL = "\x00"


def refuse_unreadable(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 400 to a NUL in the path or the query: PostgreSQL cannot hold one in a text."""

    def middleware(request: HttpRequest) -> HttpResponse:
        texts = [
            request.path_info,
            *request.GET,
            *(value for values in request.GET.lists() for value in values[1]),
        ]
        if any(NUL in text for text in texts):
            return JsonResponse(
                {
                    "type": "about:blank",
                    "title": "Bad Request",
                    "status": 400,
                    "detail": "a NUL character is not allowed in an address",
                },
                status=400,
                content_type="application/problem+json",
            )
        return get_response(request)

    return middleware
