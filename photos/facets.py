"""What the photos that one may see are tagged with, and how often: for the choices of a filter."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Final

from django.core.cache import cache
from django.db.models import Count, F
from redis.exceptions import RedisError

from photos.models import PhotoTag
from photos.querysets import Viewer, is_curator

logger = logging.getLogger(__name__)

KEPT_S: Final = 60
MAX_WORDS: Final = 120
MAX_PLACES: Final = 1000


@dataclass(frozen=True, slots=True)
class TagCount:
    """A tag with how many photos have it."""

    slug: str
    name: str
    is_place: bool
    uses: int
    category: str = ""


def tag_counts(viewer: Viewer) -> list[TagCount]:
    """Return the most used tags of the photos that `viewer` may see, places and words, the most used first.

    Counting takes a while in a large collection, so that it is up to a minute old.
    """
    key = f"facets:{_whose(viewer)}"
    try:
        known = cache.get(key)
        if known is None:
            known = [asdict(one) for one in count_tags(viewer)]
            cache.set(key, known, KEPT_S)
        return [TagCount(**one) for one in known]
    except (RedisError, OSError) as exc:
        logger.debug("tags are counted anew: %s", exc)
        return count_tags(viewer)


def count_tags(viewer: Viewer) -> list[TagCount]:
    """Count them now."""
    given = PhotoTag.objects.all()
    if not is_curator(viewer):
        seen = given.filter(photo__visibility="public")
        own = viewer is not None and viewer.is_authenticated
        given = seen | given.filter(photo__owner_id=viewer.pk) if own and viewer is not None else seen
    # grouped by the number alone: names are looked up for the few that are shown
    counted = given.values("tag_id").annotate(uses=Count("pk"))
    rows = counted.annotate(
        slug=F("tag__slug"), name=F("tag__name"), is_place=F("tag__is_place"), category=F("tag__category")
    )
    found = [
        TagCount(row["slug"], row["name"], row["is_place"], row["uses"], row["category"])
        for row in rows.order_by("-uses", "tag__name")
    ]
    places = [one for one in found if one.is_place][:MAX_PLACES]
    words = [one for one in found if not one.is_place][:MAX_WORDS]
    return words + places


def _whose(viewer: Viewer) -> str:
    if is_curator(viewer):
        return "curators"
    return f"user-{viewer.pk}" if viewer is not None and viewer.is_authenticated else "visitors"
