"""What a camera wrote into the picture: where, when, which way, by whom. Pure Pillow, no Django.

Tags are those of EXIF 2.32 (CIPA DC-008). Anything malformed reads as absent; nothing here raises.
"""

from __future__ import annotations

import functools
import io
import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final, Literal, TypeAlias

import pillow_heif
from PIL import ExifTags
from PIL import Image as PillowImage

Tags: TypeAlias = Mapping[int, Any]

_BROKEN: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    AttributeError,
    RuntimeError,
    AssertionError,
    MemoryError,
    struct.error,
    PillowImage.DecompressionBombError,
    PillowImage.DecompressionBombWarning,
)
_CAMERA_DEFAULTS: Final = re.compile(
    r"(olympus|sony|minolta|konica|kodak|samsung|casio|vivitar|maginon)?\s*"
    r"(dsc|digital (still )?camera|digital image|default|picture|screenshot|dcim)\b.*",
    re.IGNORECASE,
)
"""Descriptions that cameras write by themselves and that say nothing."""

_FIRST_YEAR: Final = 1826  # the oldest photograph that survives
_LAST_YEAR: Final = 9990
_MAX_ACCURACY_M: Final = 2.1e7  # half the Earth's circumference
_MAX_ZONE: Final = timedelta(hours=15)
_QUARTER: Final = timedelta(minutes=15)
_MAX_FIX_AGE: Final = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class ExifFacts:
    """What EXIF says; None or empty where it says nothing credible.

    `latitude`, `longitude` in degrees WGS 84, both or neither; `bearing_deg` in 0..360 clockwise from
    the north that `bearing_reference` names; `taken_at` is aware.
    """

    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    bearing_deg: float | None = None
    bearing_reference: Literal["true", "magnetic", ""] = ""
    taken_at: datetime | None = None
    title: str = ""
    description: str = ""
    credit: str = ""
    copyright: str = ""


def read_exif(source: bytes | PillowImage.Image, *, default_zone: tzinfo = UTC) -> ExifFacts:
    """Read what the camera wrote; a time without any hint of its zone is taken in `default_zone`."""
    try:
        if isinstance(source, PillowImage.Image):
            return _facts(source, default_zone)
        _know_heif()
        with PillowImage.open(io.BytesIO(source)) as picture:
            return _facts(picture, default_zone)
    except _BROKEN:
        return ExifFacts()


@functools.cache
def _know_heif() -> None:
    pillow_heif.register_heif_opener()


def _facts(picture: PillowImage.Image, default_zone: tzinfo) -> ExifFacts:
    # PngImageFile.getexif would decode the whole picture to look for EXIF behind the pixels.
    exif = PillowImage.Image.getexif(picture)
    gps = _directory(exif, ExifTags.IFD.GPSInfo)
    details = _directory(exif, ExifTags.IFD.Exif)
    point = read_point(gps)
    bearing, reference = read_bearing(gps)
    return ExifFacts(
        latitude=point[0] if point else None,
        longitude=point[1] if point else None,
        accuracy_m=_accuracy(gps) if point else None,
        bearing_deg=bearing,
        bearing_reference=reference,
        taken_at=read_time({**exif, **details}, gps, default_zone),
        title=_text(exif.get(ExifTags.Base.XPTitle), "utf-16-le"),
        description=_description(exif),
        credit=_text(exif.get(ExifTags.Base.Artist)) or _text(exif.get(ExifTags.Base.XPAuthor), "utf-16-le"),
        copyright=_text(exif.get(ExifTags.Base.Copyright)),
    )


def _directory(exif: PillowImage.Exif, which: int) -> Tags:
    try:
        return dict(exif.get_ifd(which))
    except _BROKEN:
        return {}


# --- place ----------------------------------------------------------------------------------------------


def read_point(gps: Tags) -> tuple[float, float] | None:
    """Return (latitude, longitude) in degrees, or None.

    A hemisphere letter that is absent or none of N, S, E, W voids the point, since half of the Earth's places
    would be guessed wrong; so do 0/0, NaN, values out of range, and exactly (0, 0), which receivers write
    without a fix.
    """
    latitude = _coordinate(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "NS", limit=90.0)
    longitude = _coordinate(
        gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "EW", limit=180.0
    )
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return latitude, longitude


def _coordinate(value: Any, reference: Any, letters: str, *, limit: float) -> float | None:
    degrees = _degrees(value)
    letter = _text(reference)[:1].upper()
    if degrees is None or not letter or letter not in letters:
        return None
    signed = -abs(degrees) if letter == letters[1] else degrees
    return signed + 0.0 if abs(signed) <= limit else None


def _degrees(value: Any) -> float | None:
    """Return degrees from (degrees, minutes, seconds), of which the later ones may be absent."""
    parts = [_number(part) for part in (value if isinstance(value, tuple | list) else (value,))]
    if not 1 <= len(parts) <= 3:
        return None
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or any(not 0 <= part <= 60 for part in known[1:]):
        return None
    total = sum(part / 60.0**power for power, part in enumerate([abs(known[0]), *known[1:]]))
    return math.copysign(total, known[0])


def _accuracy(gps: Tags) -> float | None:
    metres = _number(gps.get(ExifTags.GPS.GPSHPositioningError))
    return metres if metres is not None and 0 <= metres < _MAX_ACCURACY_M else None


def read_bearing(gps: Tags) -> tuple[float | None, Literal["true", "magnetic", ""]]:
    """Return the direction of view in degrees, at least 0 and below 360, and its north."""
    degrees = _number(gps.get(ExifTags.GPS.GPSImgDirection))
    if degrees is None or not 0 <= degrees <= 360:
        return None, ""
    letter = _text(gps.get(ExifTags.GPS.GPSImgDirectionRef))[:1].upper()
    return degrees % 360.0, "magnetic" if letter == "M" else "true"


# --- time -----------------------------------------------------------------------------------------------


def read_time(details: Tags, gps: Tags, default_zone: tzinfo) -> datetime | None:
    """Return when the picture was taken: the camera's clock in its zone, else the satellites'.

    The zone is the one written, else the one by which the clock differs from the GPS time (rounded to quarter
    hours, believed where the rest is small), else `default_zone`.
    """
    satellites = _gps_time(gps)
    for time_tag, zone_tag in (
        (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
        (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
        (ExifTags.Base.DateTime, ExifTags.Base.OffsetTime),
    ):
        clock = _clock(details.get(time_tag))
        if clock is not None:
            zone = _zone(details.get(zone_tag)) or _zone_between(clock, satellites) or default_zone
            return clock.replace(tzinfo=zone)
    return satellites


def _clock(value: Any) -> datetime | None:
    match = re.match(r"(\d{4})[:\-/](\d\d)[:\-/](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?", _text(value))
    return _moment(*(int(part or 0) for part in match.groups())) if match else None


def _moment(*parts: int) -> datetime | None:
    try:
        moment = datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - its zone is found by the caller
    except (ValueError, OverflowError, TypeError):
        return None
    return moment if _FIRST_YEAR <= moment.year <= _LAST_YEAR else None


def _zone(value: Any) -> tzinfo | None:
    text = _text(value)
    if text.upper() == "Z":
        return UTC
    match = re.match(r"([+-])(\d\d):?(\d\d)$", text)
    if not match:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-offset if match[1] == "-" else offset) if offset <= _MAX_ZONE else None


def _zone_between(clock: datetime, satellites: datetime | None) -> tzinfo | None:
    if satellites is None:
        return None
    difference = clock - satellites.replace(tzinfo=None)
    offset = round(difference / _QUARTER) * _QUARTER
    plausible = abs(offset) <= _MAX_ZONE and abs(difference - offset) <= _MAX_FIX_AGE
    return timezone(offset) if plausible else None


def _gps_time(gps: Tags) -> datetime | None:
    date = re.match(r"(\d{4})[:\-/](\d\d)[:\-/](\d\d)", _text(gps.get(ExifTags.GPS.GPSDateStamp)))
    stamp = gps.get(ExifTags.GPS.GPSTimeStamp)
    if not date or not isinstance(stamp, tuple | list) or len(stamp) != 3:
        return None
    hours, minutes, seconds = (_number(part) for part in stamp)
    if hours is None or minutes is None or seconds is None:
        return None
    day = _moment(*(int(part) for part in date.groups()))
    past = hours * 3600 + minutes * 60 + seconds
    return (day + timedelta(seconds=past)).replace(tzinfo=UTC) if day and 0 <= past < 86401 else None


# --- values ---------------------------------------------------------------------------------------------


def _number(value: Any) -> float | None:
    """Return a finite float, or None: 0/0 is NaN to Pillow."""
    if isinstance(value, tuple | list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool | bytes):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any, encoding: str = "utf-8") -> str:
    """Return one clean line: without NUL and control characters, trimmed."""
    if isinstance(value, tuple) and value and all(isinstance(one, int) and 0 <= one <= 255 for one in value):
        value = bytes(value)
    if isinstance(value, bytes):
        value = value.decode(encoding, errors="replace")
    if not isinstance(value, str):
        return ""
    whole = value.encode("utf-8", errors="replace").decode("utf-8")  # no lone surrogates
    printable = "".join(one if one.isprintable() else " " for one in whole.split("\0")[0])
    return " ".join(printable.split())


def _description(exif: PillowImage.Exif) -> str:
    text = _text(exif.get(ExifTags.Base.ImageDescription)) or _text(exif.get(ExifTags.Base.XPComment), "utf-16-le")
    return "" if _CAMERA_DEFAULTS.fullmatch(text) or _is_record(text) else text


def _is_record(text: str) -> bool:
    """Whether a program wrote it: such records may hold the very place and device that their owner hides."""
    if not text.startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
