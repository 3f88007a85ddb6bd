"""What a curator does to many photos at once, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet

from photos.models import Photo, PhotoTag, TagSource, Visibility
from photos.services import editing, indexing, trash

MAX_UNDO: Final = 500
"""Of more photos than this nothing is kept to undo it by."""


def set_visibility(photos: QuerySet[Photo], visibility: str) -> dict[str, Any]:
    """Make photos public or private; returns what undoes it. Raises ValueError for another word."""
    if visibility not in Visibility.values:
        raise ValueError(f"visibility must be one of {', '.join(Visibility.values)}, got {visibility!r}")
    before: dict[str, list[int]] = {}
    for pk, former in photos.exclude(visibility=visibility).values_list("pk", "visibility"):
        before.setdefault(former, []).append(pk)
    count = editing.update_photos(photos, changes={"visibility": visibility})
    return {"count": count, "visibility": before}


def add_tags(photos: QuerySet[Photo], names: Iterable[str]) -> dict[str, Any]:
    """Give photos these tags; returns what undoes it. Raises `InvalidTagError`."""
    wanted = list(names)
    ids = list(photos.values_list("pk", flat=True))
    with transaction.atomic():
        had = {
            (photo_id, tag_id): [source, score]
            for photo_id, tag_id, source, score in PhotoTag.objects.filter(photo__in=ids).values_list(
                "photo_id", "tag_id", "source", "score"
            )
        }
        count = editing.tag_photos(Photo.objects.filter(pk__in=ids), wanted)
        given = PhotoTag.objects.filter(photo__in=ids, source=TagSource.MANUAL).values_list("photo_id", "tag_id")
        changed = [[*key, *had.get(key, [])] for key in given if had.get(key, [""])[0] != TagSource.MANUAL]
    return {"count": count, "tags": changed}


def reindex(photos: QuerySet[Photo]) -> dict[str, Any]:
    """Have photos described anew; there is nothing to undo."""
    return {"count": indexing.reindex(photos)}


def delete(photos: QuerySet[Photo], *, by: AbstractBaseUser) -> dict[str, Any]:
    """Put photos into the trash; returns what undoes it."""
    thrown = [trash.throw_away(photo, by=by).pk for photo in photos]
    return {"count": len(thrown), "trash": thrown}


def can_undo(done: dict[str, Any]) -> bool:
    return bool({"visibility", "tags", "trash"} & set(done)) and done["count"] <= MAX_UNDO


@transaction.atomic
def undo(done: dict[str, Any]) -> int:
    """Take back what `set_visibility`, `add_tags` or `delete` did; returns how many photos that changed."""
    changed = trash.put_all_back(done.get("trash", []))
    for former, ids in done.get("visibility", {}).items():
        changed += editing.update_photos(Photo.objects.filter(pk__in=ids), changes={"visibility": former})
    touched = set()
    for photo_id, tag_id, *former in done.get("tags", []):
        row = PhotoTag.objects.filter(photo_id=photo_id, tag_id=tag_id)
        touched.add(photo_id)
        if former:  # a model had said so before the person did
            row.update(source=former[0], score=former[1])
        else:
            row.delete()
    return changed + len(touched)
