"""Which photos a person may see, and where they are told to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from photos.models import Photo

Viewer: TypeAlias = AbstractBaseUser | AnonymousUser | None
"""Who asks: a user, or None (and AnonymousUser alike) for a visitor."""


def is_curator(viewer: Viewer) -> bool:
    return bool(viewer is not None and viewer.is_authenticated and getattr(viewer, "is_staff", False))


class PhotoQuerySet(models.QuerySet["Photo"]):
    def visible_to(self, viewer: Viewer) -> PhotoQuerySet:
        """Keep what `viewer` may see: public photos and their own; curators see all."""
        if is_curator(viewer):
            return self.all()
        public = Q(visibility="public")
        if viewer is None or not viewer.is_authenticated:
            return self.filter(public)
        return self.filter(public | Q(owner_id=viewer.pk))

    def indexed(self) -> PhotoQuerySet:
        return self.filter(state="ready")

    def located(self) -> PhotoQuerySet:
        return self.filter(latitude__isnull=False)


def knows_exactly(photo: Photo, viewer: Viewer) -> bool:
    """Whether `viewer` may know the photo's exact point, and with it accuracy, bearing and source."""
    owns = viewer is not None and viewer.is_authenticated and photo.owner_id == viewer.pk
    return owns or is_curator(viewer) or photo.location_visibility == "exact"


def location_for(photo: Photo, viewer: Viewer) -> tuple[float, float] | None:
    """Return the (latitude, longitude) of `photo` that `viewer` may know, in degrees, or None."""
    exact = knows_exactly(photo, viewer)
    point: tuple[Any, Any] = (
        (photo.latitude, photo.longitude) if exact else (photo.public_latitude, photo.public_longitude)
    )
    return None if point[0] is None else (float(point[0]), float(point[1]))
