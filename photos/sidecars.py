"""Sidecar files: what a table or a JSON file says about the pictures of a folder.

CSV with a header, or JSON: a list of objects with `file`, or an object of objects by file name. Known columns:
`file`, `latitude`, `longitude`, `location_accuracy_m`, `bearing_deg`, `title`, `description`, `credit`,
`license`, `tags` and `places` (separated by semicolons), `taken_at` (ISO 8601 or EXIF's form), `visibility`,
`location_visibility`. Others are ignored, empty values count as absent.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from photos.errors import InvalidSidecarError

NAMES: Final = ("sidecar.csv", "sidecar.json")
"""What a folder's own sidecar is called."""

_ALIASES: Final = {
    "lat": "latitude",
    "lon": "longitude",
    "lng": "longitude",
    "licence": "license",
    "datetime": "taken_at",
    "accuracy_m": "location_accuracy_m",
    "bearing": "bearing_deg",
}
_EXIF_DAY: Final = re.compile(r"^(\d{4}):(\d\d):(\d\d)(?= )")
_NUMBERS: Final = ("latitude", "longitude", "location_accuracy_m", "bearing_deg")
_TEXTS: Final = ("title", "description", "credit", "license", "visibility", "location_visibility")
_LISTS: Final = ("tags", "places")


class Sidecar:
    """The rows of a sidecar, by the file they are about: its path below the folder, or its bare name."""

    def __init__(self, rows: Mapping[str, Mapping[str, Any]], source: str) -> None:
        self._rows = dict(rows)
        self._source = source

    def fields_for(self, path: PurePosixPath) -> dict[str, Any]:
        """Return what is said of a file, in the types of `add_photo`; raises `InvalidSidecarError`."""
        row = self._rows.get(str(path)) or self._rows.get(path.name)
        if row is None:
            return {}
        try:
            return _typed(row)
        except (ValueError, TypeError) as exc:
            raise InvalidSidecarError(f"{self._source}, row of {path}: {exc}") from exc


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar; raises `InvalidSidecarError` where it is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _json_rows(text) if path.suffix.lower() == ".json" else _csv_rows(text)
        return Sidecar({str(row["file"]): row for row in map(_named, rows)}, path.name)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as exc:
        reason = f"no column {exc}" if isinstance(exc, KeyError) else str(exc)
        raise InvalidSidecarError(f"{path.name} is no sidecar that can be read: {reason}") from exc


def find_sidecar(folder: Path) -> Path | None:
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def _csv_rows(text: str) -> Iterable[Mapping[str, Any]]:
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)


def _json_rows(text: str) -> Iterable[Mapping[str, Any]]:
    data = json.loads(text, parse_constant=_refuse_constant)
    if isinstance(data, dict):
        return [{**row, "file": name} for name, row in data.items()]
    return list(data)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise TypeError(f"expected a row of names and values, got {row!r}")
    clean = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    return {_ALIASES.get(key, key): value for key, value in clean.items()}


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in row.items() if value is not None and str(value).strip()}
    fields: dict[str, Any] = {name: _number(name, given[name]) for name in _NUMBERS if name in given}
    fields |= {name: str(given[name]).strip() for name in _TEXTS if name in given}
    fields |= {name: _words(given[name]) for name in _LISTS if name in given}
    if "taken_at" in given:
        fields["taken_at"] = _time(str(given["taken_at"]).strip())
    return fields


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (ValueError, TypeError) as exc:
        raise ValueError(f"{name} is {value!r}, not a number") from exc
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value!r}, not a finite number")
    return number


def _words(value: Any) -> list[str]:
    words = value if isinstance(value, list) else str(value).split(";")
    return [str(word).strip() for word in words if str(word).strip()]


def _time(value: str) -> datetime:
    moment = parse_datetime(_EXIF_DAY.sub(r"\1-\2-\3", value))
    if moment is None:
        raise ValueError(f"taken_at is {value!r}, not a time like 2024-05-31T14:00:00+02:00")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
