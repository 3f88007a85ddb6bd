"""The filters that are on, as a person reads them and takes them off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from photos.models import PhotoState, Tag, Visibility
from photos.pages.asking import Asked


def gallery_url(asked: Asked, /, *, to: str = "gallery", **more: str) -> str:
    """Return the gallery's address with these filters, or that of another page that takes them."""
    query = "&".join(part for part in (asked.query, *(f"{name}={value}" for name, value in more.items())) if part)
    return f"{reverse(to)}?{query}" if query else reverse(to)


def chips_of(asked: Asked, *, to: str = "gallery") -> list[dict[str, str]]:
    """The filters that are on, each with the address of the page without it."""
    return [{"name": name, "url": gallery_url(rest, to=to)} for name, rest in _without_one(asked)]


def _without_one(asked: Asked) -> Iterator[tuple[str, Asked]]:
    if asked.text:
        yield f"“{asked.text}”", replace(asked, text="")
    yield from _tags(asked)
    yield from _areas(asked)
    if asked.located is not None:
        words = _("with a place") if asked.located else _("without a place")
        yield words, replace(asked, located=None)
    if asked.mine:
        yield _("mine"), replace(asked, mine=False)
    if asked.visibility:
        yield str(Visibility(asked.visibility).label), replace(asked, visibility="")
    if asked.state:
        yield str(PhotoState(asked.state).label), replace(asked, state="")
    if asked.chosen:
        yield _("chosen photos"), replace(asked, chosen=())


def _tags(asked: Asked) -> Iterator[tuple[str, Asked]]:
    slugs = [*asked.tags, asked.place]
    names = dict(Tag.objects.filter(slug__in=slugs).values_list("slug", "name")) if any(slugs) else {}
    for tag in asked.tags:
        rest = tuple(one for one in asked.tags if one != tag)
        yield names.get(tag, tag), replace(asked, tags=rest)
    if asked.place:
        yield names.get(asked.place, asked.place), replace(asked, place="")


def _areas(asked: Asked) -> Iterator[tuple[str, Asked]]:
    """Of time, and on the map."""
    if asked.taken_from:
        yield _("from %s") % date_format(asked.taken_from), replace(asked, taken_from=None)
    if asked.taken_until:
        yield _("until %s") % date_format(asked.taken_until), replace(asked, taken_until=None)
    if asked.box:
        yield _("an area on the map"), replace(asked, box=None)
    if asked.circle:
        yield _("within %d m of a point") % asked.circle.radius_m, replace(asked, circle=None)
