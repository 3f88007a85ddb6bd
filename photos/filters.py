"""Which photos of the collection are wanted; a place is always the one that the viewer may know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Final, Literal

from django.db.models import Exists, OuterRef, Q
from django.utils.text import slugify

from photos.areas import BoundingBox as BoundingBox
from photos.areas import Circle, Polygon
from photos.models import PhotoTag
from photos.querysets import PhotoQuerySet, Viewer, is_curator

MAX_WORDS: Final = 16
"""So many words of a text are looked for: each is compared with all that is written about a photo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFilters:
    """Everything given must hold, each of the first words of `text` and each of the areas too.

    `tags` are names or slugs, all of which a photo needs, or any with `any_tag`; `owner` is "me" or a user's id, which
    finds nothing for others than that user and curators (`may_name_owner`); `taken_from` and `taken_until` are
    included.
    """

    text: str = ""
    box: BoundingBox | None = None
    polygon: Polygon | None = None
    circle: Circle | None = None
    tags: tuple[str, ...] = ()
    any_tag: bool = False
    taken_from: datetime | None = None
    taken_until: datetime | None = None
    owner: int | Literal["me"] | None = None
    state: str = ""
    visibility: str = ""
    has_location: bool | None = None

    def apply(self, photos: PhotoQuerySet, *, viewer: Viewer) -> PhotoQuerySet:
        for word in list({word.casefold(): word for word in self.text.split()}.values())[:MAX_WORDS]:
            photos = photos.filter(_says(word))
        for area in (self.box, self.polygon, self.circle):
            if area is not None:
                photos = photos.filter(_where_known(viewer, area.condition("public_"), area.condition("")))
        if self.has_location is not None:
            known = _where_known(viewer, Q(public_latitude__isnull=False), Q(latitude__isnull=False))
            photos = photos.filter(known if self.has_location else ~known)
        if self.tags and self.any_tag:
            photos = photos.filter(reduce(or_, (Q(_tagged(tag)) for tag in self.tags)))
        else:
            for tag in self.tags:
                photos = photos.filter(_tagged(tag))
        return photos.filter(self._plain(viewer))

    def may_name_owner(self, viewer: Viewer) -> bool:
        """Whether `viewer` may have photos told apart by this owner: whose a photo is concerns them and curators."""
        return self.owner in (None, "me") or is_curator(viewer) or (viewer is not None and viewer.pk == self.owner)

    def _plain(self, viewer: Viewer) -> Q:
        owner = (viewer.pk if viewer is not None else None) if self.owner == "me" else self.owner
        wanted = {
            "taken_at__gte": self.taken_from,
            "taken_at__lte": self.taken_until,
            "state": self.state or None,
            "visibility": self.visibility or None,
            "owner_id": owner,
        }
        if (self.owner is not None and owner is None) or not self.may_name_owner(viewer):
            return Q(pk__in=[])  # a visitor owns nothing, and another's photos are not to be told apart
        return Q(**{name: value for name, value in wanted.items() if value is not None})


def _where_known(viewer: Viewer, public: Q, exact: Q) -> Q:
    """`exact` for what the viewer may know exactly, `public` for the rest."""
    if is_curator(viewer):
        return exact
    if viewer is None or not viewer.is_authenticated:
        return public
    own = Q(owner_id=viewer.pk)
    return (own & exact) | (~own & public)


def _says(word: str) -> Q:
    """Somewhere in what people wrote about the photo."""
    return Q(title__icontains=word) | Q(description__icontains=word) | Q(credit__icontains=word) | Q(_tagged(word))


def _tagged(tag: str) -> Exists:
    of_photo = PhotoTag.objects.filter(photo=OuterRef("pk"))
    return Exists(of_photo.filter(Q(tag__slug=slugify(tag, allow_unicode=True)) | Q(tag__name__iexact=tag)))
