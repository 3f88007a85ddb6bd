"""Which photos of the collection are wanted; a place is always the one that the viewer may know."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, Value
from django.utils.text import slugify

from photos.models import PhotoTag
from photos.querysets import PhotoQuerySet, Viewer, is_curator


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """Degrees WGS 84, in GeoJSON's order; a box with `west` past `east` crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    def parts(self) -> list[BoundingBox]:
        if self.west <= self.east:
            return [self]
        return [
            BoundingBox(self.west, self.south, 180, self.north),
            BoundingBox(-180, self.south, self.east, self.north),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFilters:
    """Everything given must hold, each word of `text` too; `tags` are names or slugs, all of which a photo needs."""

    text: str = ""
    box: BoundingBox | None = None
    tags: tuple[str, ...] = ()
    state: str = ""
    has_location: bool | None = None

    def apply(self, photos: PhotoQuerySet, *, viewer: Viewer) -> PhotoQuerySet:
        for word in self.text.split():
            photos = photos.filter(_says(word))
        if self.box is not None:
            photos = photos.filter(_where_known(viewer, _in_box(self.box, "public_"), _in_box(self.box, "")))
        if self.has_location is not None:
            known = _where_known(viewer, Q(public_latitude__isnull=False), Q(latitude__isnull=False))
            photos = photos.filter(known if self.has_location else ~known)
        if self.state:
            photos = photos.filter(state=self.state)
        for tag in self.tags:
            photos = photos.filter(_tagged(tag))
        return photos


def _where_known(viewer: Viewer, public: Q, exact: Q) -> Q:
    """`exact` for what the viewer may know exactly, `public` for the rest."""
    if is_curator(viewer):
        return exact
    if viewer is None or not viewer.is_authenticated:
        return public
    own = Q(owner_id=viewer.pk)
    return (own & exact) | (~own & public)


def _in_box(box: BoundingBox, prefix: str) -> Q:
    """In words that the GiST indexes over the points know."""
    place = Func(F(f"{prefix}longitude"), F(f"{prefix}latitude"), function="point")
    inside = Q()
    for part in box.parts():
        corners = [
            Func(Value(longitude), Value(latitude), function="point")
            for longitude, latitude in ((part.west, part.south), (part.east, part.north))
        ]
        area = Func(*corners, function="box")
        contained = Func(place, area, template="(%(expressions)s)", arg_joiner=" <@ ", output_field=BooleanField())
        inside |= Q(contained)
    return Q(**{f"{prefix}latitude__isnull": False}) & inside


def _says(word: str) -> Q:
    """Somewhere in what people wrote about the photo."""
    return Q(title__icontains=word) | Q(description__icontains=word) | Q(credit__icontains=word) | Q(_tagged(word))


def _tagged(tag: str) -> Exists:
    of_photo = PhotoTag.objects.filter(photo=OuterRef("pk"))
    return Exists(of_photo.filter(Q(tag__slug=slugify(tag, allow_unicode=True)) | Q(tag__name__iexact=tag)))
