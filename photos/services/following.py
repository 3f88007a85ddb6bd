"""Following places: who hears of what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Exists, OuterRef
from django.utils import timezone

from photos.models import Photo, PhotoTag, PlaceFollow, Tag
from photos.querysets import PhotoQuerySet

SHOWN: Final = 12
MOST_COUNTED: Final = 99


@dataclass(frozen=True, slots=True)
class News:
    """A followed place with its newest photos that are new to the user; `count` of them stops at `MOST_COUNTED`."""

    tag: Tag
    seen_at: datetime
    count: int
    photos: list[Photo]


def follow(user: AbstractBaseUser, tag: Tag, *, seen_at: datetime | None = None) -> PlaceFollow:
    """Follow a place from now on, or from when it was last looked at; raises ValueError for what is no place."""
    if not tag.is_place:
        raise ValueError(f"only places can be followed, {tag.name!r} is none")
    found, _made = PlaceFollow.objects.get_or_create(
        user_id=user.pk, tag=tag, defaults={"seen_at": seen_at or timezone.now()}
    )
    return found


def unfollow(user: AbstractBaseUser, tag: Tag) -> datetime | None:
    """Follow a place no longer; returns until when it was seen, None where it was not followed."""
    found = PlaceFollow.objects.filter(user_id=user.pk, tag=tag).first()
    if found is None:
        return None
    found.delete()
    return found.seen_at


def mark_seen(user: AbstractBaseUser, *, tag: Tag | None = None) -> int:
    """Note that all is seen of one followed place, or of all; returns of how many."""
    follows = PlaceFollow.objects.filter(user_id=user.pk)
    return (follows if tag is None else follows.filter(tag=tag)).update(seen_at=timezone.now())


def is_following(user: AbstractBaseUser, tag: Tag) -> bool:
    return PlaceFollow.objects.filter(user_id=user.pk, tag=tag).exists()


def news_of(user: AbstractBaseUser) -> list[News]:
    """Return the places that `user` follows, those with the most news first."""
    found = []
    for one in PlaceFollow.objects.filter(user_id=user.pk).select_related("tag"):
        fresh = _fresh(user).filter(
            Exists(PhotoTag.objects.filter(photo=OuterRef("pk"), tag=one.tag)), created_at__gt=one.seen_at
        )
        count = fresh.order_by()[:MOST_COUNTED].count()
        photos = list(fresh.order_by("-created_at", "-uuid")[:SHOWN])
        found.append(News(one.tag, one.seen_at, count, photos))
    return sorted(found, key=lambda news: (-news.count, news.tag.name))


def count_news(user: AbstractBaseUser) -> int:
    """Return how many photos are new to `user` in the places followed, at most `MOST_COUNTED`."""
    followed = PlaceFollow.objects.filter(
        user_id=user.pk, tag__photo_tags__photo=OuterRef("pk"), seen_at__lt=OuterRef("created_at")
    )
    oldest = PlaceFollow.objects.filter(user_id=user.pk).order_by("seen_at").values_list("seen_at", flat=True).first()
    if oldest is None:
        return 0
    return _fresh(user).filter(Exists(followed), created_at__gt=oldest).order_by()[:MOST_COUNTED].count()


def _fresh(user: AbstractBaseUser) -> PhotoQuerySet:
    """What others added, as far as `user` may see it."""
    seen: PhotoQuerySet = Photo.objects.all().visible_to(user)
    return seen.exclude(owner_id=user.pk)
