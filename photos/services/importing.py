"""Whole folders of pictures: one transaction each, so that it can be stopped and started again at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, TypeAlias

from django.contrib.auth.models import User
from django.core.files import File
from django.db import transaction

from photos.errors import CollectionError, DuplicatePhotoError
from photos.models import LocationSource, LocationVisibility, Photo, PhotoState, Visibility
from photos.services import indexing
from photos.services.collection import add_photo
from photos.services.tagging import get_or_create_tag
from photos.sidecars import NAMES, Sidecar, find_sidecar, read_sidecar
from photos.vision.errors import ImageRefused

Outcome: TypeAlias = Literal["added", "skipped", "refused"]
Progress: TypeAlias = Callable[[Path, Outcome], None]

_LOOK_EVERY_S: Final = 0.5
_PATIENCE_S: Final = 10.0


@dataclass(slots=True)
class ImportReport:
    """Ids of the photos added, files whose bytes the owner had already, and files refused with the reason."""

    added: list[int] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)


def import_folder(
    folder: Path,
    *,
    owner: User | None = None,
    visibility: str = Visibility.PUBLIC,
    progress: Progress | None = None,
    sidecar: Path | None = None,
    defaults: Mapping[str, Any] | None = None,
    files: Iterable[Path] | None = None,
) -> ImportReport:
    """Add every picture of a folder and its subfolders, or just `files`.

    A sidecar's word goes before EXIF, and both before `defaults` (fields of `add_photo`). A file that cannot be
    added is reported and stops nothing. Raises `InvalidSidecarError` for an unreadable sidecar.
    """
    path = sidecar or find_sidecar(folder)
    said = read_sidecar(path) if path else Sidecar({}, "")
    base = {"owner": owner, "visibility": visibility, **(defaults or {})}
    report = ImportReport()
    for file in list_files(folder, sidecar=sidecar) if files is None else files:
        outcome = _import_file(file, folder, said, base, report)
        if progress is not None:
            progress(file, outcome)
    return report


def list_files(folder: Path, *, sidecar: Path | None = None) -> list[Path]:
    """Return the folder's files, in order; content, not the name, tells pictures.

    Hidden ones are left out, and sidecars.
    """
    told = None if sidecar is None else sidecar.absolute()
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in NAMES)
    found = (path for path in found if path.absolute() != told)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def wait_until_indexed(photo_ids: Iterable[int], *, progress: Callable[[int], None] | None = None) -> None:
    """Return when none of the photos waits any more; `progress` gets how many are done.

    Where no worker seems to run, the work is done here.
    """
    ids = list(photo_ids)
    waiting = Photo.objects.filter(pk__in=ids, state__in=[PhotoState.PENDING, PhotoState.INDEXING])
    left, changed_at = len(ids), time.monotonic()
    while (now_left := waiting.count()) > 0:
        if now_left != left:
            left, changed_at = now_left, time.monotonic()
        if progress is not None:
            progress(len(ids) - now_left)
        if time.monotonic() - changed_at < _PATIENCE_S or not _help(waiting.order_by("pk")):
            time.sleep(_LOOK_EVERY_S)
    if progress is not None:
        progress(len(ids))


def _help(waiting: Any) -> bool:
    """Index one photo that nobody is at."""
    pending = waiting.filter(state=PhotoState.PENDING).values_list("pk", flat=True).first()
    return pending is not None and indexing.index_now(pending)


def _import_file(path: Path, folder: Path, said: Sidecar, base: Mapping[str, Any], report: ImportReport) -> Outcome:
    try:
        name = PurePosixPath(path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name)
        report.added.append(_add(path, {**base, **said.fields_for(name)}))
    except DuplicatePhotoError:
        report.skipped.append(path)
        return "skipped"
    except (ImageRefused, CollectionError, OSError) as exc:
        report.refused.append((path, str(exc)))
        return "refused"
    return "added"


@transaction.atomic
def _add(path: Path, fields: dict[str, Any]) -> int:
    places = [get_or_create_tag(name, is_place=True) for name in fields.pop("places", [])]
    fields["tags"] = [*fields.get("tags", []), *places]
    _check_choices(fields)
    if fields.get("latitude") is not None:
        fields.setdefault("location_source", LocationSource.IMPORT)
    with path.open("rb") as file:
        return add_photo(File(file, name=path.name), **fields).pk


def _check_choices(fields: Mapping[str, Any]) -> None:
    for name, choices in (("visibility", Visibility), ("location_visibility", LocationVisibility)):
        if fields.get(name, choices.values[0]) not in choices.values:
            raise CollectionError(f"{name} must be one of {', '.join(choices.values)}, not {fields[name]!r}")
