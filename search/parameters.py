"""What a visitor asks beside the picture: a part of it, words, tags, days, an area. Read from a form, told in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from django.http import QueryDict
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from search.models import SearchRequest

LEAST_SIDE: Final = 16
"""Pixels that a part of a picture needs at least on each side to say anything."""

BOX_FIELDS: Final = ("box_x", "box_y", "box_width", "box_height")
MAX_TEXT: Final = 200
MAX_TAGS: Final = 10


def read_parameters(form: QueryDict, request: SearchRequest) -> dict[str, Any]:
    """Return what the form asks about `request`'s picture; what makes no sense is left out."""
    asked: dict[str, Any] = {}
    if (segment := _whole_number(form.get("segment", ""))) is not None:
        asked["segment"] = segment
    elif form.get("segment") == "box" and (box := _read_box(form, request)) is not None:
        asked["box"] = box
    if {"box", "segment"} & asked.keys():
        asked["mode"] = "object"
    if text := form.get("text", "").strip()[:MAX_TEXT]:
        asked["text"] = text
    if tags := list(_read_tags(form)):
        asked["tags"] = tags
        if form.get("tags_any"):
            asked["tags_any"] = True
    if filters := dict(_read_filters(form)):
        asked["filters"] = filters
    return asked


def _read_box(form: QueryDict, request: SearchRequest) -> list[int] | None:
    """Return a box inside the picture, in pixels of the upright one."""
    values = [_whole_number(form.get(name, "")) for name in BOX_FIELDS]
    x, y, width, height = (0 if value is None else value for value in values)
    if None in values:
        return None
    width, height = min(width, request.width - x), min(height, request.height - y)
    return [x, y, width, height] if min(width, height) >= LEAST_SIDE else None


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _read_tags(form: QueryDict) -> Iterator[str]:
    names = ",".join(form.getlist("tags")).split(",")
    yield from dict.fromkeys(name.strip()[:100] for name in names[:MAX_TAGS] if name.strip())


def _read_filters(form: QueryDict) -> Iterator[tuple[str, Any]]:
    for name in ("taken_from", "taken_until"):
        try:
            yield name, date.fromisoformat(form.get(name, "")).isoformat()
        except ValueError:
            continue
    if (area := _read_area(form.get("area", ""))) is not None:
        yield "bbox", area


def _read_area(text: str) -> list[float] | None:
    """Read "west,south,east,north" in degrees; west may lie east of east, across the antimeridian."""
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        return None
    on_globe = all(map(math.isfinite, (west, south, east, north))) and -90 <= south < north <= 90
    return [_turn(west), south, _turn(east), north] if on_globe and abs(east - west) < 360 else None


def _turn(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def tell_parameters(parameters: Mapping[str, Any]) -> str:
    """Return what was asked in a few words, for a trail; empty for the whole picture."""
    return " · ".join(_words(parameters))


def _words(parameters: Mapping[str, Any]) -> Iterator[str]:
    if "segment" in parameters:
        yield _("segment %(number)d") % {"number": parameters["segment"] + 1}
    elif "box" in parameters:
        yield _("a part of it")
    if "text" in parameters:
        yield _("“%(text)s”") % {"text": parameters["text"]}
    tags = parameters.get("tags", ())
    if tags:
        yield ngettext("tag %(tags)s", "tags %(tags)s", len(tags)) % {"tags": ", ".join(tags)}
    filters = parameters.get("filters", {})
    for name, words in (("taken_from", _("since %(day)s")), ("taken_until", _("until %(day)s"))):
        if name in filters:
            yield words % {"day": date_format(date.fromisoformat(filters[name][:10]), "SHORT_DATE_FORMAT")}
    if "bbox" in filters:
        yield _("in an area of the map")
