"""Filters as programs and pages give them, read in one place: JSON values, or the texts of a form.

    {"bbox": [west, south, east, north], "polygon": [[longitude, latitude], …],
     "circle": [latitude, longitude, radius_m], "tags": […], "tags_any": false, "taken_from": "2020-05-01",
     "taken_until": "2020-05-31T12:00:00Z", "owner": "me" or 7, "state": "ready", "visibility": "public",
     "has_location": true, "text": "…"}

Areas may also be texts with commas, as in an address. A day alone is meant from its beginning to its end,
in the site's time zone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import MAXYEAR, MINYEAR, date, datetime, time
from typing import Any, Final, Literal, TypeVar

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from photos.areas import MAX_CORNERS, BoundingBox, Circle, Polygon
from photos.errors import CollectionError
from photos.filters import PhotoFilters
from photos.models import PhotoState, Visibility

MAX_TEXT: Final = 200
MAX_TAGS: Final = 20
MAX_TAG_LENGTH: Final = 100
BOX_FORM: Final = "west, south, east, north in degrees, such as [26.5, 36.0, 30.9, 39.2]"
CIRCLE_FORM: Final = "latitude, longitude in degrees and a radius in metres, such as [36.9, 30.7, 500]"
POLYGON_FORM: Final = f"a list of 3 to {MAX_CORNERS} corners [longitude, latitude]"

T = TypeVar("T")


class InvalidParameterError(CollectionError):
    """A parameter that makes no sense: `name` says which, `reason` what is allowed, the message both."""

    def __init__(self, name: str, value: Any, allowed: str) -> None:
        told = repr(value)
        self.name = name
        self.reason = f"expected {allowed}; got {told if len(told) <= 80 else told[:77] + '…'}"
        super().__init__(f"{name}: {self.reason}")


def read_filters(given: Mapping[str, Any], *, prefix: str = "") -> PhotoFilters:
    """Return the filters of a JSON object or a form; raises `InvalidParameterError` for what is none.

    `prefix` stands before the names in messages. What is empty is left out.
    """
    if unknown := sorted(set(map(str, given)) - _READERS.keys()):
        raise InvalidParameterError(f"{prefix}{unknown[0]}", given[unknown[0]], f"one of {', '.join(_READERS)}")
    values: dict[str, Any] = {}
    for name, (field, read) in _READERS.items():
        if given.get(name) not in (None, "", [], ()):
            values[field] = read(f"{prefix}{name}", given[name])
    return PhotoFilters(**values)


def tell_filters(filters: PhotoFilters) -> dict[str, Any]:
    """Return the JSON object that `read_filters` reads as the same filters."""
    box, polygon, circle = filters.box, filters.polygon, filters.circle
    told = {
        "text": filters.text,
        "bbox": box and [box.west, box.south, box.east, box.north],
        "polygon": polygon and [list(corner) for corner in polygon.corners],
        "circle": circle and [circle.latitude, circle.longitude, circle.radius_m],
        "tags": list(filters.tags),
        "tags_any": filters.any_tag or None,
        "taken_from": filters.taken_from and filters.taken_from.isoformat(),
        "taken_until": filters.taken_until and filters.taken_until.isoformat(),
        "owner": filters.owner,
        "state": filters.state,
        "visibility": filters.visibility,
        "has_location": filters.has_location,
    }
    return {name: value for name, value in told.items() if value not in (None, "", [])}


# --- values ---------------------------------------------------------------------------------------------


def read_text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
        raise InvalidParameterError(name, value, f"a text of at most {MAX_TEXT} characters")
    return value.strip()


def read_tags(name: str, value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) and "\0" not in one for one in names):
        raise InvalidParameterError(name, value, "a list of names or slugs")
    tags = tuple(dict.fromkeys(one.strip() for one in names if one.strip()))
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in tags):
        raise InvalidParameterError(name, value, f"at most {MAX_TAGS} names of at most {MAX_TAG_LENGTH} characters")
    return tags


def read_flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if not isinstance(value, str) or value.lower() not in known:
        raise InvalidParameterError(name, value, "true or false")
    return known[value.lower()]


def read_numbers(name: str, value: Any, count: int, allowed: str) -> list[float]:
    """Read `count` finite numbers, from a list or a text with commas, in brackets or not."""
    parts = value.strip().removeprefix("[").removesuffix("]").split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or len(parts) != count:
        raise InvalidParameterError(name, value, allowed)
    try:
        numbers = [float(part) for part in parts if not isinstance(part, bool)]
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidParameterError(name, value, allowed) from exc
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InvalidParameterError(name, value, allowed)
    return numbers


def read_whole(name: str, value: Any, least: int, most: int, allowed: str = "") -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidParameterError(name, value, allowed or f"a whole number from {least} to {most}")
    if not least <= int(text) <= most:
        raise InvalidParameterError(name, value, allowed or f"a whole number from {least} to {most}")
    return int(text)


def _read_box(name: str, value: Any) -> BoundingBox:
    west, south, east, north = read_numbers(name, value, 4, BOX_FORM)
    if not (abs(west) <= 180 and abs(east) <= 180 and -90 <= south <= north <= 90):
        raise InvalidParameterError(
            name, value, f"{BOX_FORM}, longitudes from -180 to 180, latitudes from -90 to 90, south first"
        )
    return BoundingBox(west, south, east, north)


def _read_circle(name: str, value: Any) -> Circle:
    numbers = read_numbers(name, value, 3, CIRCLE_FORM)
    return _make(name, value, lambda: Circle(*numbers))


def _read_polygon(name: str, value: Any) -> Polygon:
    corners = value
    if isinstance(value, str):
        try:
            corners = json.loads(value)
        except (ValueError, RecursionError) as exc:
            raise InvalidParameterError(name, value, POLYGON_FORM) from exc
    if not isinstance(corners, list | tuple) or len(corners) > MAX_CORNERS + 1:
        raise InvalidParameterError(name, value, POLYGON_FORM)
    points = [read_numbers(name, corner, 2, POLYGON_FORM) for corner in corners]
    return _make(name, value, lambda: Polygon(tuple((longitude, latitude) for longitude, latitude in points)))


def _make(name: str, value: Any, area: Callable[[], T]) -> T:
    try:
        return area()
    except ValueError as exc:
        raise InvalidParameterError(name, value, str(exc)) from exc


def _read_from(name: str, value: Any) -> datetime:
    return _read_moment(name, value, time.min)


def _read_until(name: str, value: Any) -> datetime:
    return _read_moment(name, value, time.max)


def _read_moment(name: str, value: Any, of_day: time) -> datetime:
    """Read a day or a moment; one without a time zone is meant in the site's, as when a photo was taken is."""
    zone = timezone.get_default_timezone()
    allowed = "a day such as 2020-05-31 or a moment such as 2020-05-31T12:00:00Z"
    try:
        if isinstance(value, str) and len(value) == len("2020-05-31"):
            return datetime.combine(date.fromisoformat(value), of_day, zone)
        moment = parse_datetime(value) if isinstance(value, str) else None
    except ValueError as exc:
        raise InvalidParameterError(name, value, allowed) from exc
    if moment is None or not MINYEAR < moment.year < MAXYEAR:
        raise InvalidParameterError(name, value, allowed)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _read_owner(name: str, value: Any) -> int | Literal["me"]:
    return "me" if value == "me" else read_whole(name, value, 1, 2**63 - 1, 'a user\'s id or "me"')


def _read_choice(choices: list[str]) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        if value not in choices:
            raise InvalidParameterError(name, value, f"one of {', '.join(choices)}")
        return str(value)

    return read


_READERS: Final[Mapping[str, tuple[str, Callable[[str, Any], Any]]]] = {
    "text": ("text", read_text),
    "bbox": ("box", _read_box),
    "polygon": ("polygon", _read_polygon),
    "circle": ("circle", _read_circle),
    "tags": ("tags", read_tags),
    "tags_any": ("any_tag", read_flag),
    "taken_from": ("taken_from", _read_from),
    "taken_until": ("taken_until", _read_until),
    "owner": ("owner", _read_owner),
    "state": ("state", _read_choice(PhotoState.values)),
    "visibility": ("visibility", _read_choice(Visibility.values)),
    "has_location": ("has_location", read_flag),
}
