"""The trash: what curators delete can be put back for a while.

A photo in it is deleted as far as anything can find or see it; only its file and what people said of it are kept.
Put back, it has the same address, and is described anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from photos.errors import DuplicatePhotoError
from photos.models import Photo, TagSource, TrashedPhoto
from photos.models.photo import COMPUTED_FIELDS
from photos.services import cleaning
from photos.services.collection import delete_photo
from photos.services.tagging import set_tags

PURGED_AT_ONCE: Final = 500
_OWN: Final = frozenset({"uuid", "image", "sha256"})
"""Columns of the trash itself."""


@transaction.atomic
def throw_away(photo: Photo, *, by: AbstractBaseUser | None) -> TrashedPhoto:
    """Delete a photo so that `put_back` returns it within `TRASH_DAYS`."""
    held = Photo.objects.select_for_update().get(pk=photo.pk)
    given = held.photo_tags.filter(source=TagSource.MANUAL).order_by("tag__name")
    trashed = TrashedPhoto.objects.create(
        uuid=held.uuid,
        image=str(held.image.name),
        sha256=held.sha256,
        name=str(held)[:255],
        facts=_facts_of(held),
        tags=list(given.values_list("tag__name", flat=True)),
        deleted_by_id=None if by is None else by.pk,
    )
    delete_photo(held)
    return trashed


@transaction.atomic
def put_back(trashed_id: int) -> Photo | None:
    """Return a photo to the collection, where it is described anew; None for one that is gone for good.

    Raises `DuplicatePhotoError` where its owner has added the same file again meanwhile.
    """
    trashed = TrashedPhoto.objects.select_for_update().filter(pk=trashed_id).first()
    if trashed is None:
        return None
    facts = {name: _read(name, text) for name, text in trashed.facts.items()}
    if not User.objects.filter(pk=facts["owner_id"]).exists():
        facts["owner_id"] = None
    same = Photo.objects.filter(owner=facts["owner_id"], sha256=trashed.sha256).first()
    if same is not None:
        raise DuplicatePhotoError(same)
    photo = Photo(uuid=trashed.uuid, image=trashed.image, sha256=trashed.sha256, **facts)
    photo.save(force_insert=True)
    Photo.objects.filter(pk=photo.pk).update(created_at=parse_datetime(trashed.facts["created_at"]))
    set_tags(photo, trashed.tags)
    trashed.delete()
    return photo


def put_all_back(trashed_ids: Iterable[int]) -> int:
    """Put back what can be; returns how many photos that were."""
    back = 0
    for trashed_id in trashed_ids:
        try:
            back += put_back(trashed_id) is not None
        except DuplicatePhotoError:
            continue  # the same file is in the collection: this one stays in the trash
    return back


def empty(trashed_ids: Iterable[int]) -> int:
    """Delete photos of the trash for good, with their files; returns how many."""
    emptied = 0
    for trashed in TrashedPhoto.objects.filter(pk__in=list(trashed_ids)):
        with transaction.atomic():
            if TrashedPhoto.objects.filter(pk=trashed.pk).delete()[0]:  # else it was put back at this moment
                forget = partial(cleaning.delete_files, trashed.uuid, trashed.image, trashed.sha256)
                transaction.on_commit(forget, robust=True)
                emptied += 1
    return emptied


def empty_old() -> int:
    """Delete for good what has been in the trash for `TRASH_DAYS`; returns how many photos."""
    old = TrashedPhoto.objects.filter(deleted_at__lte=timezone.now() - timedelta(days=settings.TRASH_DAYS))
    return empty(old.values_list("pk", flat=True)[:PURGED_AT_ONCE])


def _facts_of(photo: Photo) -> dict[str, str | None]:
    """Return the columns that are the photo's own, by name; what is computed is computed anew."""
    fields = {
        field.attname: field
        for field in Photo._meta.concrete_fields
        if not (field.primary_key or field.generated or field.name in COMPUTED_FIELDS | _OWN)
    }
    return {
        name: None if getattr(photo, name) is None else field.value_to_string(photo) for name, field in fields.items()
    }


def _read(name: str, text: str | None) -> Any:
    field = {one.attname: one for one in Photo._meta.concrete_fields}[name]
    return None if text is None else field.to_python(text)
