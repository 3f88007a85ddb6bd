"""How often a visitor may have what costs as much as a question, counted as the API counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.views import APIView

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


class _Counted(APIView):
    def __init__(self, scope: str) -> None:
        super().__init__()
        self.throttle_scope = scope


def seconds_to_wait(request: HttpRequest, scope: str) -> int:
    """Count one use together with those by the API; 0 where it is allowed, else the seconds until the next one is."""
    view, asked = _Counted(scope), Request(request)
    asked.user = request.user
    for throttle in view.get_throttles():
        if not throttle.allow_request(asked, view):
            return int(throttle.wait() or 1)
    return 0


def held_to_rate(scope: str) -> Callable[[View[P]], View[P]]:
    """Answer 429 where a visitor asks for the page too often."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def held(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            seconds = seconds_to_wait(request, scope)
            return _refuse(request, seconds) if seconds else view(request, *args, **kwargs)

        return cast("View[P]", held)

    return decorate


def _refuse(request: HttpRequest, seconds: int) -> HttpResponse:
    template = "parts/too_often.html" if getattr(request, "htmx", False) else "429.html"
    response = render(request, template, {"seconds": seconds}, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response
