"""Near-duplicates: the same file, the same picture again, one burst. Found when a photo becomes ready.

The same vectors and the same verification as searches use find them: a copy is verified and neither turned nor bent;
a burst is by one owner within a minute, and close by or verified.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from psycopg import sql

from photos import vectors
from photos.areas import Circle
from photos.models import (
    EmbeddingSpace,
    LocalFeatures,
    LocationVisibility,
    Photo,
    PhotoEmbedding,
    PhotoState,
    TagSource,
    Visibility,
)
from photos.models.duplicate import DuplicateKind, NearDuplicate
from photos.models.embedding import SpaceState
from photos.services import trash
from photos.services.collection import set_location
from photos.services.editing import tag_photos, update_photo
from photos.vision import types
from photos.vision.matching.copies import is_same_picture
from photos.vision.matching.features import from_bytes
from photos.vision.matching.verify import verify_many

logger = logging.getLogger(__name__)

BURST: Final = timedelta(seconds=60)
CLOSE_M: Final = 55.0
"""So far a burst may stray, and a phone's GPS with it."""

CANDIDATES: Final = 8
LEAST_SIMILARITY: Final = 0.4
"""Copies at a quarter of the size had a cosine of .47 and more in the classical space."""


WORDS: Final = ("title", "description", "credit", "license", "taken_at")
"""What a kept photo takes over from the other one where it says nothing itself."""


@dataclass(frozen=True, slots=True)
class Found:
    """Another photo that is nearly the same; `similarity` is the cosine of the whole photos' vectors, if known."""

    photo_id: int
    kind: DuplicateKind
    similarity: float | None


# --- asking ---------------------------------------------------------------------------------------------


def duplicates_of(photo: Photo) -> QuerySet[Photo]:
    """Return the photos that are nearly the same as `photo`, of every owner: for curators and measures only."""
    pairs = pairs_of(photo.pk).filter(dismissed_at=None)
    others = {pair.photo_b_id if pair.photo_a_id == photo.pk else pair.photo_a_id for pair in pairs}
    return Photo.objects.filter(pk__in=others)


def pairs_of(photo_id: int) -> QuerySet[NearDuplicate]:
    return NearDuplicate.objects.filter(Q(photo_a=photo_id) | Q(photo_b=photo_id))


def with_duplicates(photos: QuerySet[Photo]) -> QuerySet[Photo]:
    """Keep the photos that have near-duplicates."""
    pairs = NearDuplicate.objects.filter(dismissed_at=None)
    first, second = (Exists(pairs.filter(**{side: OuterRef("pk")})) for side in ("photo_a", "photo_b"))
    return photos.filter(first | second)


# --- finding --------------------------------------------------------------------------------------------


def note_duplicates(photo_id: int) -> None:
    """Find a photo's near-duplicates as its indexing ends; whatever goes wrong, the photo stays indexed."""
    try:
        find_duplicates(photo_id)
    except Exception:
        logger.exception("photo %d: its near-duplicates could not be looked for", photo_id)


def find_duplicates(photo_id: int) -> int:
    """Compare one ready photo with the collection and keep what is found; returns how many pairs it has now.

    Dismissed pairs stay dismissed; others that hold no longer go. About 0.1 s.
    """
    photo = Photo.objects.filter(pk=photo_id, state=PhotoState.READY).first()
    if photo is None:
        return 0
    found = _look_for(photo)
    with transaction.atomic():
        known = {pair.pk: pair for pair in pairs_of(photo_id)}
        stale = [pk for pk, pair in known.items() if pair.dismissed_at is None and _other(pair, photo_id) not in found]
        NearDuplicate.objects.filter(pk__in=stale).delete()
        rows = [_row(photo_id, found[pk]) for pk in sorted(found)]
        NearDuplicate.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["photo_a", "photo_b"],
            update_fields=["kind", "similarity"],
        )
    return pairs_of(photo_id).filter(dismissed_at=None).count()


def find_all(*, progress: Callable[[int], object] | None = None) -> int:
    """Look for near-duplicates of every ready photo; `progress` gets 1 for each. Returns how many pairs there are."""
    ids = Photo.objects.filter(state=PhotoState.READY).order_by("pk").values_list("pk", flat=True)
    for photo_id in ids.iterator():
        find_duplicates(photo_id)
        if progress is not None:
            progress(1)
    return NearDuplicate.objects.filter(dismissed_at=None).count()


def _look_for(photo: Photo) -> dict[int, Found]:
    """Return what is nearly the same, by photo id; of several kinds the strongest."""
    similar = _nearest(photo)
    around = _taken_around(photo)
    verified = _verify(photo, [*similar, *around.exclude(pk__in=similar).values_list("pk", flat=True)[:CANDIDATES]])
    burst = around.filter(_close_to(photo) | Q(pk__in=verified)).values_list("pk", "taken_at")
    copies = (pk for pk, is_copy in verified.items() if is_copy)
    found = {pk: Found(pk, DuplicateKind.SAME_PICTURE, similar.get(pk)) for pk in copies}
    for pk, taken_at in burst:
        if pk not in found or taken_at != photo.taken_at:  # from a tripod, the next shot is all but a copy
            found[pk] = Found(pk, DuplicateKind.BURST, similar.get(pk))
    same = Photo.objects.filter(sha256=photo.sha256).exclude(pk=photo.pk).values_list("pk", flat=True)
    return found | {pk: Found(pk, DuplicateKind.SAME_BYTES, 1.0) for pk in same}


def _nearest(photo: Photo) -> dict[int, float]:
    """Return the cosines of the photos most like this one, in the space that searches use."""
    space = EmbeddingSpace.objects.filter(state=SpaceState.ACTIVE).first()
    if space is None:
        return {}
    own = PhotoEmbedding.objects.filter(space=space, photo=photo).values_list("vector", flat=True).first()
    if own is None:
        return {}
    query, ready = sql.Placeholder("query"), sql.SQL("p.state = 'ready'")
    scans = [
        vectors.nearest_photos_sql(space, query=query, limit=CANDIDATES + 1, graph=graph, where=ready)
        for graph in vectors.GRAPHS
    ]
    both = sql.SQL("({}) ORDER BY similarity DESC LIMIT {}").format(
        sql.SQL(") UNION ALL (").join(scans), sql.Literal(CANDIDATES + 1)
    )
    with vectors.binary_cursor() as cursor:
        rows = cursor.execute(both, {"query": vectors.as_parameter(own)}).fetchall()
    return {pk: float(cosine) for pk, cosine in rows if pk != photo.pk and cosine >= LEAST_SIMILARITY}


def _taken_around(photo: Photo) -> QuerySet[Photo]:
    """Return the same owner's photos of the same minute."""
    if photo.taken_at is None:
        return Photo.objects.none()
    moment = Q(taken_at__gte=photo.taken_at - BURST, taken_at__lte=photo.taken_at + BURST)
    owned = Photo.objects.filter(moment, owner_id=photo.owner_id, state=PhotoState.READY)
    return owned.exclude(pk=photo.pk).order_by("pk")


def _close_to(photo: Photo) -> Q:
    if photo.latitude is None or photo.longitude is None:
        return Q(pk__in=[])
    return Circle(photo.latitude, photo.longitude, CLOSE_M).condition("")


def _verify(photo: Photo, others: Sequence[int]) -> dict[int, bool]:
    """Return those of `others` that are verified to show the same, and whether they are copies."""
    stored = _features([photo.pk, *others])
    own = stored.pop(photo.pk, None)
    if own is None or not stored:
        return {}
    found = zip(stored.items(), verify_many(own, list(stored.values())), strict=True)
    return {pk: is_same_picture(own, its, one) for (pk, its), one in found if one.level == "confirmed"}


def _features(photo_ids: Iterable[int]) -> dict[int, types.LocalFeatures]:
    rows = LocalFeatures.objects.filter(photo__in=list(photo_ids)).order_by("photo").values_list("photo_id", "data")
    return {photo_id: from_bytes(bytes(data)) for photo_id, data in rows}


def _other(pair: NearDuplicate, photo_id: int) -> int:
    return pair.photo_b_id if pair.photo_a_id == photo_id else pair.photo_a_id


def _row(photo_id: int, found: Found) -> NearDuplicate:
    low, high = sorted((photo_id, found.photo_id))
    return NearDuplicate(photo_a_id=low, photo_b_id=high, kind=found.kind, similarity=found.similarity)


# --- deciding -------------------------------------------------------------------------------------------


def dismiss(pairs: QuerySet[NearDuplicate], *, by: AbstractBaseUser) -> int:
    """Say that the pairs are no duplicates; `undo_dismissal` takes it back. Returns how many changed."""
    return pairs.filter(dismissed_at=None).update(dismissed_at=timezone.now(), dismissed_by_id=by.pk)


def undo_dismissal(pairs: QuerySet[NearDuplicate]) -> int:
    return pairs.filter(dismissed_at__isnull=False).update(dismissed_at=None, dismissed_by=None)


@transaction.atomic
def keep_one(pair: NearDuplicate, *, kept_id: int, by: AbstractBaseUser) -> Photo:
    """Put the other photo of a pair into the trash; the kept one first takes over what it lacks itself.

    That is the place, the date, words and a person's tags, as far as nobody learns by it what they might not know.
    Raises `ValueError` for a photo that is not of the pair.
    """
    if kept_id not in {pair.photo_a_id, pair.photo_b_id}:
        raise ValueError(f"photo {kept_id} is not one of the pair {pair}")
    both = Photo.objects.select_for_update().in_bulk([pair.photo_a_id, pair.photo_b_id])
    kept = both.pop(kept_id)
    for other in both.values():
        if _shows_to_no_more(kept, other):
            _take_over(kept, other)
        trash.throw_away(other, by=by)
    return kept


def _shows_to_no_more(kept: Photo, other: Photo) -> bool:
    """Whether everyone who may see `kept` may see `other` as well."""
    return other.visibility == Visibility.PUBLIC or (
        kept.visibility == Visibility.PRIVATE and kept.owner_id == other.owner_id
    )


def _may_know_place(kept: Photo, other: Photo) -> bool:
    """Whether the owner of `kept`, who sees its exact place, may know that of `other`."""
    return kept.owner_id in (None, other.owner_id) or other.location_visibility == LocationVisibility.EXACT


def _take_over(kept: Photo, other: Photo) -> None:
    changes = {name: getattr(other, name) for name in WORDS if not getattr(kept, name) and getattr(other, name)}
    placed = kept.latitude is None and _may_know_place(kept, other)
    if placed and other.latitude is not None and other.longitude is not None:
        changes["location_visibility"] = other.location_visibility
        set_location(
            kept,
            other.latitude,
            other.longitude,
            source=other.location_source,
            accuracy_m=other.location_accuracy_m,
        )
    update_photo(kept, changes=changes)
    given = other.photo_tags.filter(source=TagSource.MANUAL).values_list("tag__name", flat=True)
    tag_photos(Photo.objects.filter(pk=kept.pk), list(given))


# --- for measures ---------------------------------------------------------------------------------------


def duplicate_pairs(photos: QuerySet[Photo]) -> list[tuple[int, int]]:
    """Return the ids of all pairs among `photos` that are not dismissed."""
    ids = photos.order_by().values("pk")
    pairs = NearDuplicate.objects.filter(dismissed_at=None, photo_a__in=ids, photo_b__in=ids)
    return list(pairs.order_by(F("photo_a"), F("photo_b")).values_list("photo_a", "photo_b"))


def groups_of(pairs: Iterable[tuple[int, int]]) -> Mapping[int, frozenset[int]]:
    """Return for each photo of the pairs all that are joined to it, itself with them: copies of a copy are copies."""
    group: dict[int, set[int]] = {}
    for first, second in pairs:
        joined = group.get(first, {first}) | group.get(second, {second})
        for one in joined:
            group[one] = joined
    return {one: frozenset(joined) for one, joined in group.items()}
