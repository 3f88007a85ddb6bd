"""Places: all of them, one of them, and those that somebody follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from photos.clusters import clusters_of
from photos.facets import tag_counts
from photos.models import Photo, Tag
from photos.pages.asking import Asked
from photos.pages.cards import card_of
from photos.pages.chips import gallery_url
from photos.pages.collection_map import WORLD, extent_of
from photos.paging import count_up_to, take_newest
from photos.services import following
from photos.timeline import HEIGHT, WIDTH, timeline_of

SHOWN = 24
KINDS = {
    "country": gettext_lazy("Countries"),
    "region": gettext_lazy("Regions"),
    "town": gettext_lazy("Towns"),
    "": gettext_lazy("Places"),
}
UNFOLLOWED = "unfollowed"
UNDO_S = 3600
WIKIDATA = "https://www.wikidata.org/wiki/"


@require_safe
def place_list(request: HttpRequest) -> HttpResponse:
    """All places with how many photos they have, by kind."""
    words = request.GET.get("q", "").strip()[:100]
    found = [one for one in tag_counts(request.user) if one.is_place and words.casefold() in one.name.casefold()]
    groups = {kind: [one for one in found if _kind(one.category) == kind] for kind in KINDS}
    context = {
        "section": "places",
        "words": words,
        "count": len(found),
        "groups": [(KINDS[kind], places) for kind, places in groups.items() if places],
    }
    return render(request, "places/list.html", context)


def _kind(category: str) -> str:
    return category if category in KINDS else ""


@require_safe
def place_page(request: HttpRequest, slug: str) -> HttpResponse:
    """One place: its photos, when they were taken, and where on the map."""
    tag = _find_place(request, slug)
    asked = Asked(place=tag.slug)
    photos = asked.photos(request.user)
    context: dict[str, Any] = {
        "section": "places",
        "place": tag,
        "kind": KINDS.get(tag.category, KINDS[""]),
        "asked": asked,
        "count": count_up_to(photos),
        "gallery_url": gallery_url(asked),
        "photos": [card_of(photo, asked) for photo in take_newest(photos, limit=SHOWN).photos],
        "bars": [
            {"bar": bar, "url": gallery_url(replace(asked, taken_from=bar.first, taken_until=bar.last))}
            for bar in timeline_of(photos)
        ],
        "drawing": (WIDTH, HEIGHT),
        "extent": extent_of(clusters_of(photos, WORLD, viewer=request.user)),
        "wikidata": f"{WIKIDATA}{tag.external_id}" if tag.external_id[:1] == "Q" else "",
        "is_following": request.user.is_authenticated and following.is_following(request.user, tag),
    }
    return render(request, "places/place.html", context)


def _find_place(request: HttpRequest, slug: str) -> Tag:
    """Return a place; one that none but others' private photos tell of is unknown, except to those who follow it."""
    tag = get_object_or_404(Tag, slug=slug, is_place=True)
    if not tag.photos.exists() or Photo.objects.all().visible_to(request.user).filter(photo_tags__tag=tag).exists():
        return tag
    if request.user.is_authenticated and following.is_following(request.user, tag):
        return tag
    raise Http404(_("There is no such page."))


# --- following ------------------------------------------------------------------------------------------


@require_POST
@login_required
def follow_place(request: HttpRequest, slug: str) -> HttpResponse:
    former = _read_former(request, slug)
    tag = _find_place(request, slug) if former is None else get_object_or_404(Tag, slug=slug, is_place=True)
    following.follow(_user(request), tag, seen_at=former)
    messages.success(request, _("You follow %s: new photos will show under Following.") % tag.name)
    return redirect(_way_back(request, tag))


@require_POST
@login_required
def unfollow_place(request: HttpRequest, slug: str) -> HttpResponse:
    """Follow no longer; the next page offers to take that back."""
    tag = _find_followed(request, slug)
    seen_at = following.unfollow(_user(request), tag)
    if seen_at is not None:
        request.session[UNFOLLOWED] = {"slug": tag.slug, "name": tag.name, "seen_at": seen_at.isoformat()}
    return redirect("following")


@require_safe
@login_required
def following_page(request: HttpRequest) -> HttpResponse:
    """The places that the user follows, and what is new there."""
    news = following.news_of(_user(request))
    unfollowed = request.session.pop(UNFOLLOWED, None)
    context = {
        "section": "following",
        "news": [
            {"news": one, "photos": [card_of(photo, Asked(place=one.tag.slug)) for photo in one.photos]} for one in news
        ],
        "has_news": any(one.count for one in news),
        "unfollowed": unfollowed,
        "former": signing.dumps(unfollowed, salt=UNFOLLOWED) if unfollowed else "",
    }
    return render(request, "places/following.html", context)


@require_POST
@login_required
def mark_seen(request: HttpRequest) -> HttpResponse:
    slug = request.POST.get("place", "")
    following.mark_seen(_user(request), tag=_find_followed(request, slug) if slug else None)
    return redirect("following")


def _find_followed(request: HttpRequest, slug: str) -> Tag:
    return get_object_or_404(Tag, slug=slug, follows__user=_user(request))


def _user(request: HttpRequest) -> Any:
    return request.user


def _read_former(request: HttpRequest, slug: str) -> datetime | None:
    """Until when a place was seen that is followed again at once: from the form that offers it."""
    try:
        former = signing.loads(request.POST.get("former", ""), salt=UNFOLLOWED, max_age=UNDO_S)
    except signing.BadSignature:
        return None
    return datetime.fromisoformat(former["seen_at"]) if former["slug"] == slug else None


def _way_back(request: HttpRequest, tag: Tag) -> str:
    return reverse("following") if request.POST.get("next") == "following" else reverse("place", args=[tag.slug])
