"""Refuses what no view should have to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.http import HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase

from geolocator.problems import API_PREFIX, problem_json

NUL = "\x00"


def refuse_unreadable(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answer 400 to a NUL in the address, a form, a cookie or a token: PostgreSQL cannot hold one in a text."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if any(NUL in text for text in _texts(request)):
            return problem_json(
                400, "A NUL character is not allowed in an address, a form, a cookie or a token.", code="nul"
            )
        return get_response(request)

    return middleware


def _texts(request: HttpRequest) -> Iterator[str]:
    yield request.path_info
    yield from request.GET
    for values in request.GET.lists():
        yield from values[1]
    yield from request.COOKIES.values()
    yield str(request.META.get("HTTP_AUTHORIZATION", ""))
    yield from _form_texts(request)


def _form_texts(request: HttpRequest) -> Iterator[str]:
    """The API and the administration say of each field what is wrong with it."""
    if request.method != "POST" or request.path_info.startswith((API_PREFIX, "/admin/")):
        return
    try:
        form = request.POST
    except UnreadablePostError:
        return  # the sender is gone
    yield from form
    for values in form.lists():
        yield from values[1]
