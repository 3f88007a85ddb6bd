"""What may be asked: a picture or a part of it, words, tags, filters; read from JSON, strictly.

    {"photo": uuid, "box": [x, y, width, height], "segment": 3, "text": "…", "tags": ["gate"], "tags_any": false,
     "mode": "similar" | "object", "filters": {…}, "limit": 10, "space": "…"}

Everything is optional. Without `photo` the picture is the uploaded one, if there is one. `box` is in pixels of the
upright picture; `segment` is the rank of one of its segments. `filters` are those of `photos.filter_parameters`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast

from photos.filter_parameters import (
    InvalidParameterError,
    read_filters,
    read_flag,
    read_numbers,
    read_tags,
    read_text,
    read_whole,
    tell_filters,
)
from photos.filters import PhotoFilters

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 50
LEAST_SIDE: Final = 16
"""Pixels that a part of a picture needs at least on each side to say anything."""

MODES: Final = ("similar", "object")
_NAMES: Final = ("photo", "box", "segment", "text", "tags", "tags_any", "mode", "filters", "limit", "space")
_BOX_FORM: Final = f"x, y, width, height in whole pixels of the upright picture, at least {LEAST_SIDE} wide and high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, checked for sense; whether its photo, segment or space exist is seen when it is asked."""

    photo: uuid.UUID | None = None
    box: tuple[int, int, int, int] | None = None
    segment: int | None = None
    text: str = ""
    tags: tuple[str, ...] = ()
    tags_any: bool = False
    mode: Literal["similar", "object"] = "similar"
    filters: PhotoFilters = PhotoFilters()  # noqa: RUF009 - frozen
    limit: int = DEFAULT_LIMIT
    space: str = ""

    @classmethod
    def from_parameters(cls, given: Mapping[str, Any]) -> Question:
        """Raises `InvalidParameterError`, which names the parameter, its value and what is allowed."""
        if unknown := sorted(set(map(str, given)) - {*_NAMES}):
            raise InvalidParameterError(unknown[0], given[unknown[0]], f"one of {', '.join(_NAMES)}")
        asked = {name: value for name, value in given.items() if value not in (None, "", [], {})}
        if "box" in asked and "segment" in asked:
            raise InvalidParameterError("segment", asked["segment"], "either a box or a segment, not both")
        filters = asked.get("filters", {})
        if not isinstance(filters, Mapping):
            raise InvalidParameterError("filters", filters, "an object")
        tags, read = read_tags("tags", asked.get("tags", ())), read_filters(filters, prefix="filters.")
        if tags and read.tags:
            raise InvalidParameterError("filters.tags", list(read.tags), "the tags in one place only")
        return cls(
            photo=_read_photo(asked["photo"]) if "photo" in asked else None,
            box=_read_box(asked["box"]) if "box" in asked else None,
            segment=read_whole("segment", asked["segment"], 0, 32767) if "segment" in asked else None,
            text=read_text("text", asked.get("text", "")),
            tags=tags,
            tags_any=read_flag("tags_any", asked.get("tags_any", False)),
            mode=_read_mode(asked.get("mode", MODES[0])),
            filters=read,
            limit=read_whole("limit", asked.get("limit", DEFAULT_LIMIT), 1, MAX_LIMIT),
            space=read_text("space", asked.get("space", "")),
        )

    def to_parameters(self) -> dict[str, Any]:
        """Return the JSON object that `from_parameters` reads as the same question; defaults are left out."""
        told = {
            "photo": None if self.photo is None else str(self.photo),
            "box": None if self.box is None else list(self.box),
            "segment": self.segment,
            "text": self.text or None,
            "tags": list(self.tags) or None,
            "tags_any": self.tags_any or None,
            "mode": None if self.mode == MODES[0] else self.mode,
            "filters": tell_filters(self.filters) or None,
            "limit": None if self.limit == DEFAULT_LIMIT else self.limit,
            "space": self.space or None,
        }
        return {name: value for name, value in told.items() if value is not None}

    def all_filters(self) -> PhotoFilters:
        """Return the filters, the question's own tags among them."""
        return replace(self.filters, tags=self.tags, any_tag=self.tags_any) if self.tags else self.filters


def _read_photo(value: Any) -> uuid.UUID:
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(value)
    except (ValueError, TypeError, AttributeError) as exc:
        raise InvalidParameterError("photo", value, "the id of a photo") from exc


def _read_box(value: Any) -> tuple[int, int, int, int]:
    x, y, width, height = read_numbers("box", value, 4, _BOX_FORM)
    whole = all(number == int(number) for number in (x, y, width, height))
    if not whole or min(x, y) < 0 or min(width, height) < LEAST_SIDE or max(x, y, width, height) > 2**20:
        raise InvalidParameterError("box", value, _BOX_FORM)
    return (int(x), int(y), int(width), int(height))


def _read_mode(value: Any) -> Literal["similar", "object"]:
    if value not in MODES:
        raise InvalidParameterError("mode", value, f"one of {', '.join(MODES)}")
    return cast("Literal['similar', 'object']", value)
