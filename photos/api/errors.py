"""Refusals that programs can tell apart by their code."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import APIException


class TooLarge(APIException):
    status_code = 413
    default_code = "too-large"


class LengthRequired(APIException):
    status_code = 411
    default_code = "length-required"
    default_detail = "Send a Content-Length; chunked bodies are not accepted."


class Duplicate(APIException):
    """The same bytes are in the owner's collection already; `more` says which photo they are."""

    status_code = 409
    default_code = "duplicate"

    def __init__(self, detail: str, *, photo: dict[str, Any]) -> None:
        super().__init__(detail)
        self.more = {"photo": photo}


class NotReady(APIException):
    """A right question at the wrong time; asking again later helps."""

    status_code = 503
    default_code = "not-ready"
    wait = 10
