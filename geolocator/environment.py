"""Typed reading of environment variables; a bad value names its variable and what is allowed."""

from __future__ import annotations

import os

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}


def read_text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def read_optional(name: str, default: str) -> str:
    """Return the text of a setting that may be empty: only where it is not set at all, the default."""
    return os.environ.get(name, default).strip()


def read_bool(name: str, default: bool) -> bool:
    value = read_text(name).lower()
    if not value:
        return default
    if value not in TRUE_WORDS | FALSE_WORDS:
        raise ImproperlyConfigured(f"{name} must be yes or no, got {value!r}")
    return value in TRUE_WORDS


def read_int(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    return int(read_float(name, default, minimum=minimum, maximum=maximum, kind=int))


def read_float(
    name: str,
    default: float,
    *,
    minimum: float = 0,
    maximum: float | None = None,
    kind: type[int] | type[float] = float,
) -> float:
    value = read_text(name)
    if not value:
        return default
    try:
        number = kind(value)
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} must be a number, got {value!r}") from exc
    if number < minimum or (maximum is not None and number > maximum):
        top = "" if maximum is None else f" and at most {maximum}"
        raise ImproperlyConfigured(f"{name} must be at least {minimum}{top}, got {value!r}")
    return number


def read_list(name: str, default: list[str]) -> list[str]:
    value = read_text(name)
    return [part.strip() for part in value.split(",") if part.strip()] if value else default
