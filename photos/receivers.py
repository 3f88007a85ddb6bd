"""Connects saving and deleting photos to indexing and cleaning, whoever saves."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from photos.models import Photo, PhotoState, TrashedPhoto
from photos.services import cleaning, graphs, indexing, places

_CALLS_FOR_INDEXING: Final = {"image", "state"}
_FORMER: Final = "_former_picture"


def connect() -> None:
    pre_save.connect(remember_former_picture, sender=Photo, dispatch_uid="photos.remember_former_picture")
    post_save.connect(index_saved, sender=Photo, dispatch_uid="photos.index_saved")
    post_save.connect(note_shown_or_hidden, sender=Photo, dispatch_uid="photos.note_shown_or_hidden")
    post_save.connect(note_moved, sender=Photo, dispatch_uid="photos.note_moved")
    pre_delete.connect(release_photos, sender=get_user_model(), dispatch_uid="photos.release_photos")
    post_delete.connect(clean_deleted, sender=Photo, dispatch_uid="photos.clean_deleted")


def remember_former_picture(instance: Photo, *, raw: bool, **_: Any) -> None:
    """Before a new picture takes its place, note the old one's file."""
    if not raw and instance.pk and instance.image and not getattr(instance.image, "_committed", True):
        former = Photo.objects.filter(pk=instance.pk).values_list("image", "sha256").first()
        instance.__dict__[_FORMER] = former


def note_moved(
    instance: Photo, *, raw: bool, created: bool, update_fields: Iterable[str] | None = None, **_: Any
) -> None:
    """Take back what tags say of a place where a photo is not, or not to be known to be, any more."""
    if raw or created or (update_fields is not None and not places.LOCATION_FIELDS & set(update_fields)):
        return
    places.forget_moved([instance.pk])


def note_shown_or_hidden(
    instance: Photo, *, raw: bool, created: bool, update_fields: Iterable[str] | None = None, **_: Any
) -> None:
    """Have a photo's vectors follow it among the public or the private photos'."""
    if not (raw or created) and (update_fields is None or "visibility" in update_fields):
        graphs.ring_on_commit([instance.pk])


def index_saved(instance: Photo, *, raw: bool, update_fields: Iterable[str] | None = None, **_: Any) -> None:
    """Ring for a photo that waits to be indexed, and clean up behind a replaced picture."""
    if raw or (update_fields is not None and not _CALLS_FOR_INDEXING & set(update_fields)):
        return
    former = instance.__dict__.pop(_FORMER, None)
    if former is not None:
        cleaning.forget_picture(instance, *former)
    if instance.state == PhotoState.PENDING:
        indexing.ring_on_commit([instance.pk])


def release_photos(instance: AbstractBaseUser, **_: Any) -> None:
    """Before an owner goes: their photos become nobody's, but for those that nobody's photos hold already."""
    owned = Photo.objects.filter(owner=instance.pk)
    owned.filter(sha256__in=Photo.objects.filter(owner=None).values("sha256")).delete()
    owned.update(owner=None)


def clean_deleted(instance: Photo, **_: Any) -> None:
    """Delete the files of a deleted photo once that is certain; PostgreSQL cascades to the rest.

    One that went into the trash keeps them for as long as it lies there.
    """
    if TrashedPhoto.objects.filter(uuid=instance.uuid).exists():
        return
    transaction.on_commit(
        partial(cleaning.delete_files, instance.uuid, str(instance.image.name), instance.sha256), robust=True
    )
