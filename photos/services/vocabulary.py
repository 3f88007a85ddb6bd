"""The words that models look for: kept in the database, turned into vectors by a space's text tower.

Tags come from one space at a time. When words change, all photos' tags are worked out again from the vectors that
are stored, in portions; how far that has come stands in the space's row.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import QuerySet

from photos import queues, vectors
from photos.models import EmbeddingSpace, Photo, Segment, Tag
from photos.models.embedding import SpaceState
from photos.services import availability
from photos.services.tagging import set_automatic_tags_of
from photos.vision import registry, tags
from photos.vision.errors import UnknownModelError

JOB: Final = "photos.jobs.retag"
PREFIX: Final = "retag"
PORTION: Final = 200
_LOCK: Final = 0x72746167
_CUT: Final = "tag_cut"


# --- the words ------------------------------------------------------------------------------------------


def words() -> list[tuple[str, str]]:
    """Return the vocabulary: slugs with what a prompt says of them."""
    rows = Tag.objects.filter(in_vocabulary=True).order_by("slug").values_list("slug", "name", "prompt")
    return [(slug, prompt or tags.with_article(name.lower())) for slug, name, prompt in rows]


def set_in_vocabulary(chosen: QuerySet[Tag], *, wanted: bool) -> int:
    """Put tags into the vocabulary or take them out; names of places stay out. Returns how many changed."""
    changed = chosen.filter(is_place=False, in_vocabulary=not wanted).update(in_vocabulary=wanted)
    announce_change()
    return changed


@transaction.atomic
def add_default_words() -> int:
    """Put the default words into the vocabulary beside what is there; returns how many are new."""
    added = 0
    for category, names in tags.DEFAULT_VOCABULARY.items():
        for name in names:
            slug = name.replace(" ", "-")
            if Tag.objects.filter(slug=slug, is_place=True).exists():
                slug = f"{slug}-{category}"
            tag, made = Tag.objects.get_or_create(slug=slug, defaults={"name": name, "category": category})
            added += set_in_vocabulary(Tag.objects.filter(pk=tag.pk), wanted=True)
            if not made and not tag.category:
                Tag.objects.filter(pk=tag.pk).update(category=category)
    return added


def ensure_words() -> None:
    """Begin with the default words where there is no vocabulary yet."""
    if not Tag.objects.filter(in_vocabulary=True).exists():
        add_default_words()


def announce_change() -> None:
    """Have all photos tagged anew as soon as the current transaction commits, if need be."""
    transaction.on_commit(lambda: bool(requeue()), robust=True)


def tag_cut(space: EmbeddingSpace) -> float:
    """Return the least score that is a tag in this space: the calibrated one, else the default."""
    return float(space.spec.get(_CUT, tags.DEFAULT_CUT))


def set_tag_cut(space: EmbeddingSpace, cut: float) -> None:
    """Keep a calibrated cut, in 0..1, and have all photos tagged anew."""
    if not 0 <= cut <= 1:
        raise ValueError(f"a cut must be between 0 and 1, got {cut}")
    space.spec = {**space.spec, _CUT: cut}
    space.save(update_fields=["spec"])
    announce_change()


# --- the space that knows them --------------------------------------------------------------------------


def tagging_space() -> EmbeddingSpace | None:
    """Return the space that tags come from: the active one, else the newest one being built; with a text tower."""
    current = EmbeddingSpace.objects.exclude(state=SpaceState.RETIRED).order_by("-id")
    able = [space for space in current if _has_text(space)]
    return next((space for space in able if space.state == SpaceState.ACTIVE), able[0] if able else None)


def load_vocabulary(space: EmbeddingSpace) -> tags.Vocabulary | None:
    """Return the words as vectors of the space, None without words or a text tower; loads the encoder."""
    found = words() if _has_text(space) else []
    if not found:
        return None
    encoder: Any = availability.load_encoder(space)
    return _embed(encoder, tuple(found))


@functools.lru_cache(maxsize=4)
def _embed(encoder: Any, found: tuple[tuple[str, str], ...]) -> tags.Vocabulary:
    return tags.embed_vocabulary(encoder, found)


def _has_text(space: EmbeddingSpace) -> bool:
    try:
        return registry.get_spec(space.encoder).has_text
    except UnknownModelError:
        return False


# --- tagging anew ---------------------------------------------------------------------------------------


def requeue() -> int:
    """Ring for the tagging space where its photos' tags are not of the present words."""
    space = tagging_space()
    if space is None or _is_done(space, _digest(space, words())):
        return 0
    waiting = queues.waiting_ids("index", prefix=PREFIX)
    if waiting is None or space.pk in waiting:
        return 0
    return queues.ring("index", JOB, [space.pk], prefix=PREFIX, at_front=True)


def retag(
    space: EmbeddingSpace, *, limit_s: float | None = None, progress: Callable[[int], object] | None = None
) -> bool:
    """Tag every photo of the space anew from its stored vectors, going on where the last time ended.

    Stops after `limit_s` seconds; `progress` gets the size of each portion. Returns whether it is done; one
    process at a time, another's call returns False at once.
    """
    with _alone(space) as alone:
        if not alone:
            return False
        deadline = None if limit_s is None else time.monotonic() + limit_s
        digest = _begin(space)
        vocabulary = load_vocabulary(space) or tags.Vocabulary((), *[_no_vectors(space)] * 2)
        while ids := _next_photos(space, digest):
            _retag_portion(space, ids, vocabulary)
            if progress is not None:
                progress(len(ids))
            if deadline is not None and time.monotonic() > deadline:
                return False
        return EmbeddingSpace.objects.filter(pk=space.pk, vocabulary=digest, retagged_up_to=None).exists()


def start_anew(space: EmbeddingSpace) -> None:
    """Forget what the space's photos were tagged with."""
    EmbeddingSpace.objects.filter(pk=space.pk).update(vocabulary="", retagged_up_to=None)


def _begin(space: EmbeddingSpace) -> str:
    space.refresh_from_db()
    digest = _digest(space, words())
    row = EmbeddingSpace.objects.filter(pk=space.pk).exclude(vocabulary=digest)
    row.update(vocabulary=digest, retagged_up_to=0)
    return digest


def _next_photos(space: EmbeddingSpace, digest: str) -> list[int]:
    """Return the next portion's ids; none, and the end noted, when there are no more or the words changed."""
    mine = EmbeddingSpace.objects.filter(pk=space.pk, vocabulary=digest)
    reached = mine.values_list("retagged_up_to", flat=True).first()
    if reached is None:
        return []
    ids = list(Photo.objects.filter(pk__gt=reached).order_by("pk").values_list("pk", flat=True)[:PORTION])
    if not ids:
        mine.update(retagged_up_to=None)
    return ids


@transaction.atomic
def _retag_portion(space: EmbeddingSpace, ids: Sequence[int], vocabulary: tags.Vocabulary) -> None:
    list(Photo.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk"))
    whole, parts = vectors.read_vectors(space, ids)
    keys = Segment.objects.filter(photo__in=ids, segmenter=space.segmenter).values_list("photo_id", "rank", "pk")
    segment_ids = {(photo_id, rank): pk for photo_id, rank, pk in keys}
    of_photos: dict[int, dict[str, float]] = {pk: {} for pk in ids}  # those not in this space have tags of another
    of_segments = {}
    for photo_id in whole.keys() | parts.keys():
        ranked = parts.get(photo_id, {})
        found, each = tags.tag_picture(whole.get(photo_id), list(ranked.values()), vocabulary, cut=tag_cut(space))
        of_photos[photo_id] = {one.slug: one.score for one in found}
        for rank, own in zip(ranked, each, strict=True):
            if pk := segment_ids.get((photo_id, rank)):
                of_segments[pk] = {one.slug: one.score for one in own}
    set_automatic_tags_of(of_photos, of_segments)
    EmbeddingSpace.objects.filter(pk=space.pk, retagged_up_to__isnull=False).update(retagged_up_to=ids[-1])


def _no_vectors(space: EmbeddingSpace) -> vectors.Vector:
    import numpy as np

    return np.zeros((0, space.dimensions), np.float32)


def _is_done(space: EmbeddingSpace, digest: str) -> bool:
    return space.vocabulary == digest and space.retagged_up_to is None


def _digest(space: EmbeddingSpace, found: Sequence[tuple[str, str]]) -> str:
    parts = [found, tag_cut(space), tags.PROMPTS, tags.BACKGROUND, tags.LOGIT_SCALE, tags.MAX_TAGS]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@contextmanager
def _alone(space: EmbeddingSpace) -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, space.pk])
        alone = bool(cursor.fetchone()[0])
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, space.pk])
