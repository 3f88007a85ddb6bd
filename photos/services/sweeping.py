"""Files without a photo, and photos without a file: what a crash between the two leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Value
from django.utils import timezone

from photos import derivatives
from photos.models import Photo, PhotoState, TrashedPhoto

logger = logging.getLogger(__name__)

PICTURES: Final = "photos"
GRACE: Final = timedelta(hours=1)
"""Younger files may belong to a transaction that has not committed yet."""

_MISSING: Final = "The picture's file is missing."


@dataclass(slots=True)
class SweepReport:
    """Names of the files that were deleted, and ids of the photos whose picture is gone."""

    orphans: list[str] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)


def sweep(*, grace: timedelta = GRACE, dry_run: bool = False) -> SweepReport:
    """Delete files that no photo owns, in the trash or not, older than `grace`; mark photos whose file is gone."""
    # the rows are read after the files: a photo added meanwhile has its row, or a file too young to go
    stored = set(_files(PICTURES)) | set(_files(derivatives.FOLDER))
    report = SweepReport()
    owned: set[str] = set()
    for photo_id, uuid, sha256, picture in _owners():
        owned |= {picture, *derivatives.derivative_names(Photo(uuid=uuid, sha256=sha256))}
        if photo_id and picture not in stored and not default_storage.exists(picture):
            report.missing.append(photo_id)
    limit = timezone.now() - grace
    report.orphans = sorted(name for name in stored - owned if _is_older(name, limit))
    if not dry_run:
        _apply(report)
    return report


def _owners() -> Iterator[tuple[int, UUID, str, str]]:
    """Yield id, uuid, digest and picture of all photos, with 0 for an id of those in the trash.

    One statement sees both: a photo that is thrown away or put back meanwhile is in one of them.
    """
    photos = Photo.objects.order_by().values_list("pk", "uuid", "sha256", "image")
    trashed = TrashedPhoto.objects.order_by().values_list(Value(0), "uuid", "sha256", "image")
    yield from photos.union(trashed, all=True).iterator(chunk_size=2000)


def _apply(report: SweepReport) -> None:
    for name in report.orphans:
        default_storage.delete(name)
    broken = Photo.objects.filter(pk__in=report.missing).exclude(state=PhotoState.INDEXING)
    broken.update(state=PhotoState.FAILED, index_error=_MISSING)
    if report.orphans or report.missing:
        logger.warning(
            "swept %d files without a photo; %d photos lack their file", len(report.orphans), len(report.missing)
        )


def _files(folder: str) -> Iterator[str]:
    """Yield the names of all files below a folder; partial ones too, which belong to nobody."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{name}" for name in files)
    for name in folders:
        yield from _files(f"{folder}/{name}")


def _is_older(name: str, limit: datetime) -> bool:
    try:
        return default_storage.get_modified_time(name) < limit
    except FileNotFoundError:  # a partial file that was renamed into place meanwhile
        return False
