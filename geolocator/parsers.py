"""JSON as this API accepts it: of bounded size and depth, finite numbers, texts that PostgreSQL can hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 32
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


class JsonTooLarge(APIException):
    status_code = 413
    default_code = "too-large"


class StrictJSONParser(BaseParser):
    """`application/json`; everything it refuses is a 400 that says what is allowed."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        text = _read(stream)
        _check_depth(text)
        try:
            value = json.loads(text, parse_constant=_refuse_constant)
        except ValueError as exc:
            raise ParseError(f"The body is not JSON: {exc}") from exc
        for leaf in _leaves(value):
            _check_leaf(leaf)
        return value


def _read(stream: IO[Any]) -> str:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise JsonTooLarge(f"A JSON body of at most {limit} bytes is allowed.")
    try:
        return str(body, "utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ParseError(f"JSON must be UTF-8: {exc.reason} at byte {exc.start}") from exc


def _check_depth(text: str) -> None:
    """Before parsing: Python's parser recurses as deep as it is told to."""
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub('""', text)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            raise ParseError(f"JSON nested deeper than {MAX_DEPTH} levels is not allowed.")


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is not a JSON number; numbers must be finite.")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _check_leaf(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ParseError("A number is too large; numbers must be finite.")
    if isinstance(value, str) and ("\x00" in value or _has_surrogate(value)):
        raise ParseError("A text holds a NUL or half a surrogate pair, neither of which is allowed.")


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)
