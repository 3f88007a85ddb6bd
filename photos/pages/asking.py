"""What an address asks of the collection: whose photos, and which of them. One reading for gallery, map and lists."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, QueryDict
from django.utils.dateparse import parse_date
from django.utils.http import urlencode

from photos.areas import BoundingBox, Circle
from photos.filters import PhotoFilters
from photos.models import Photo, PhotoState, PhotoTag, Tag, Visibility
from photos.querysets import PhotoQuerySet, Viewer, is_curator

YES_NO = {"yes": True, "no": False}
MAX_TEXT = 200
MAX_TAGS = 20
MAX_CHOSEN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The filters of an address; what makes no sense in it is left out.

    A photo has all of `tags` (slugs), or any of them with `any_tag`, the tag `place` in any case; it was taken from
    the one day to the other, both included; with `chosen`, it is one of these.
    """

    text: str = ""
    tags: tuple[str, ...] = ()
    any_tag: bool = False
    place: str = ""
    taken_from: date | None = None
    taken_until: date | None = None
    located: bool | None = None
    box: BoundingBox | None = None
    circle: Circle | None = None
    mine: bool = False
    visibility: str = ""
    state: str = ""
    chosen: tuple[uuid.UUID, ...] = ()

    def photos(self, viewer: Viewer) -> PhotoQuerySet:
        """Return the photos that fit and that `viewer` may see."""
        plain = PhotoFilters(
            text=self.text,
            box=self.box,
            circle=self.circle,
            taken_from=_midnight(self.taken_from) if self.taken_from else None,
            taken_until=_midnight(self.taken_until, later=True) if self.taken_until else None,
            owner="me" if self.mine else None,
            visibility=self.visibility,
            state=self.state,
            has_location=self.located,
        )
        photos = plain.apply(Photo.objects.all().visible_to(viewer), viewer=viewer)
        for group in self._tag_groups():
            photos = photos.filter(Exists(PhotoTag.objects.filter(photo=OuterRef("pk"), tag__in=group)))
        if self.chosen:
            photos = photos.filter(uuid__in=self.chosen)
        return photos

    def _tag_groups(self) -> list[list[int]]:
        """Return sets of tag ids: a photo needs one of each. Looked up first, so that PostgreSQL knows how common."""
        slugs = [*self.tags, *([self.place] if self.place else [])]
        known = dict(Tag.objects.filter(slug__in=slugs).values_list("slug", "pk")) if slugs else {}
        words = [[known[slug]] if slug in known else [] for slug in self.tags]
        if self.any_tag and words:
            words = [[pk for group in words for pk in group]]
        return [*words, *([[known[self.place]] if self.place in known else []] if self.place else [])]

    @property
    def is_filtered(self) -> bool:
        return bool(self.query)

    @property
    def query(self) -> str:
        """The query string that asks for the same."""
        box, circle = self.box, self.circle
        parts: list[tuple[str, str]] = [
            ("q", self.text),
            *(("tag", tag) for tag in self.tags),
            ("match", "any" if self.any_tag and len(self.tags) > 1 else ""),
            ("place", self.place),
            ("from", self.taken_from.isoformat() if self.taken_from else ""),
            ("to", self.taken_until.isoformat() if self.taken_until else ""),
            ("located", {True: "yes", False: "no", None: ""}[self.located]),
            ("bbox", "" if box is None else _numbers(box.west, box.south, box.east, box.north)),
            ("circle", "" if circle is None else _numbers(circle.latitude, circle.longitude, circle.radius_m)),
            ("owner", "me" if self.mine else ""),
            ("visibility", self.visibility),
            ("state", self.state),
            *(("id", str(one)) for one in self.chosen),
        ]
        return urlencode([(name, value) for name, value in parts if value])


def _numbers(*values: float) -> str:
    """Degrees to a tenth of a metre, as the maps give them."""
    return ",".join(f"{value:.6f}".rstrip("0").rstrip(".") for value in values)


def visible_photos(request: HttpRequest) -> PhotoQuerySet:
    return Photo.objects.all().visible_to(request.user)


def read_asked(request: HttpRequest) -> Asked:
    return read_query(request.GET, viewer=request.user)


def read_query(query: QueryDict, *, viewer: Viewer) -> Asked:
    """Read the filters in a query string; states are for curators, who alone can do something about them."""
    state, visibility = query.get("state", ""), query.get("visibility", "")
    tags = dict.fromkeys(one.strip() for one in query.getlist("tag") if one.strip())
    return Asked(
        text=query.get("q", "").strip()[:MAX_TEXT],
        tags=tuple(tags)[:MAX_TAGS],
        any_tag=query.get("match") == "any",
        place=query.get("place", "").strip(),
        taken_from=_read_date(query.get("from", "")),
        taken_until=_read_date(query.get("to", "")),
        located=YES_NO.get(query.get("located", "")),
        box=read_box(query.get("bbox", "")),
        circle=_read_circle(query.get("circle", "")),
        mine=query.get("owner") == "me" and viewer is not None and viewer.is_authenticated,
        visibility=visibility if visibility in Visibility.values else "",
        state=state if state in PhotoState.values and is_curator(viewer) else "",
        chosen=tuple(_read_ids(query.getlist("id")))[:MAX_CHOSEN],
    )


def read_box(text: str) -> BoundingBox | None:
    """Read `west,south,east,north` as a map gives them, on any copy of the world; None for what is no box."""
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        return None
    if not all(map(math.isfinite, (west, south, east, north))) or south > north:
        return None
    south, north = max(south, -90.0), min(north, 90.0)
    if east - west >= 360:
        return BoundingBox(-180, south, 180, north)
    return BoundingBox(_wrap(west), south, _wrap(east), north)


def _wrap(longitude: float) -> float:
    return longitude if -180 <= longitude <= 180 else (longitude + 180) % 360 - 180


def _read_date(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:  # such as 30 February
        return None


def _midnight(day: date, *, later: bool = False) -> datetime:
    """Return the beginning of a day, or its end."""
    return datetime.combine(day, time.max if later else time.min, tzinfo=UTC)


def _read_circle(text: str) -> Circle | None:
    """Read `latitude,longitude,radius_m`."""
    try:
        latitude, longitude, radius_m = (float(part) for part in text.split(","))
        return Circle(latitude, longitude, radius_m)
    except ValueError:
        return None


def _read_ids(texts: list[str]) -> list[uuid.UUID]:
    """Read ids, each by itself or many with commas between them: a form holds few fields."""
    found = []
    for text in ",".join(texts).split(","):
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            continue
    return found
