"""Refusals that programs can tell apart by their code."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import APIException


class Unanswerable(APIException):
    """The question could not be worked out, mostly because its picture is damaged behind a good header."""

    status_code = 422
    default_code = "unanswerable"

    def __init__(self, detail: str, *, question: dict[str, Any]) -> None:
        super().__init__(detail)
        self.more = {"question": question}
