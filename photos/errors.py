"""What can go wrong in the collection; `permanent` says that trying again will not help."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photos.models import Photo


class CollectionError(Exception):
    """The base of every error of the collection; the message may be shown to people."""

    permanent = True


class DuplicatePhotoError(CollectionError):
    """The owner already has these very bytes, as `photo`."""

    def __init__(self, photo: Photo) -> None:
        super().__init__("This very file is already in the collection.")
        self.photo = photo


class InvalidLocationError(CollectionError):
    """Coordinates that are no place on Earth."""


class InvalidTagError(CollectionError):
    """A tag's name without a letter or digit."""


class InvalidSidecarError(CollectionError):
    """A sidecar file, or one of its rows, that cannot be read; the message says which and why."""


class NoActiveSpaceError(CollectionError):
    """No embedding space is active yet, so nothing can be searched."""

    permanent = False


class SpaceIncompleteError(CollectionError):
    """A space that does not describe every photo yet is neither searched nor measured, nor made the active one."""

    permanent = False


class SpaceStateError(CollectionError):
    """A space is in a state that does not allow what was asked."""


class LeaseLostError(CollectionError):
    """Another worker owns the photo now, or its picture was replaced: whatever was found must not be written."""
