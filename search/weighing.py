"""Weighing the stored segments by their geo-distinctiveness: a photo's own when it is described, all of them nightly.

Only photos that everybody may see, at places that everybody may know, have a say: a private photo must not shift
what others find. How far the round of a space has come stands in its row of `Weighing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import numpy as np
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from numpy.typing import NDArray
from psycopg import sql

from photos import queues, vectors
from photos.models import EmbeddingSpace, Photo
from photos.models.embedding import SpaceState
from photos.services.spaces import current_spaces
from search.distinctiveness import NEIGHBOURS, weigh
from search.geodesy import haversine_m
from search.models import Weighing
from search.observations import BURST_S

JOB: Final = "search.jobs.weigh_segments"
PREFIX: Final = "weighing"
EVERY: Final = timedelta(hours=24)
PORTION: Final = 20

EXACT_PHOTOS: Final = 2000
"""With so many photos that everybody may know, the neighbours are looked for without an index."""

_NEAREST_SEGMENTS: Final = 40
"""Several may be of one photo, of which the nearest counts."""

_LOCK: Final = 0x77656967

_KNOWN_TO_ALL: Final = "p.visibility = 'public' AND p.location_visibility = 'exact' AND p.latitude IS NOT NULL"

_ANOTHER_OBSERVATION: Final = (
    "p.id <> own.id AND p.sha256 <> own.sha256 AND (p.owner_id IS DISTINCT FROM own.owner_id"
    " OR abs(extract(epoch FROM p.taken_at - own.taken_at)) > {burst_s} OR p.taken_at IS NULL OR own.taken_at IS NULL)"
)

_NEIGHBOURS: Final = """
SELECT me.photo_id, me.rank, near.similarity, own.public_latitude, own.public_longitude, near.latitude, near.longitude
FROM photos_segmentembedding me JOIN photos_photo own ON own.id = me.photo_id
CROSS JOIN LATERAL (
    SELECT best.similarity, at.latitude, at.longitude
    FROM (SELECT photo_id, max(similarity) AS similarity FROM ({nearest}) AS found GROUP BY photo_id) AS best
    JOIN photos_photo at ON at.id = best.photo_id
    ORDER BY best.similarity DESC, best.photo_id LIMIT {neighbours}
) AS near
WHERE me.space_id = {space} AND me.photo_id = ANY(%s) AND own.public_latitude IS NOT NULL
"""


def weigh_photo(photo_id: int) -> None:
    """Weigh the segments of one photo in every current space."""
    for space in current_spaces():
        _weigh_portion(space, [photo_id])


def weigh_space(
    space: EmbeddingSpace, *, limit_s: float | None = None, progress: Callable[[int], object] | None = None
) -> bool:
    """Weigh every segment of a space, going on where an interrupted round ended.

    Stops after `limit_s` seconds; `progress` gets the number of photos of each portion. Returns whether the round is
    done; one process at a time, another's call returns False at once.
    """
    with _alone(space) as alone:
        if not alone:
            return False
        deadline = None if limit_s is None else time.monotonic() + limit_s
        reached = _begin(space)
        while ids := _next_photos(reached):
            _weigh_portion(space, ids)
            reached = ids[-1]
            Weighing.objects.filter(space=space).update(reached=reached)
            if progress is not None:
                progress(len(ids))
            if deadline is not None and time.monotonic() > deadline:
                return False
        Weighing.objects.filter(space=space).update(reached=None, finished_at=Now())
        return True


def requeue() -> int:
    """Ring for the spaces whose round is due or was interrupted; returns how many."""
    due = [space.pk for space in current_spaces() if _is_due(space)]
    waiting = queues.waiting_ids("index", prefix=PREFIX) if due else None
    if waiting is None:
        return 0
    return queues.ring("index", JOB, [pk for pk in due if pk not in waiting], prefix=PREFIX)


def _is_due(space: EmbeddingSpace) -> bool:
    """A day after the last round, or after the space was made: until then its photos are weighed as they come."""
    weighing = Weighing.objects.filter(space=space).first()
    if weighing is None:
        return space.created_at < timezone.now() - EVERY
    return weighing.finished_at is None or weighing.began_at < timezone.now() - EVERY


def _begin(space: EmbeddingSpace) -> int:
    """Return the photo after which to go on: that of the interrupted round, or 0."""
    weighing = Weighing.objects.filter(space=space, finished_at__isnull=True).first()
    if weighing is not None:
        return weighing.reached or 0
    fresh = {"reached": 0, "began_at": timezone.now(), "finished_at": None}
    Weighing.objects.update_or_create(space=space, defaults=fresh)
    return 0


def _next_photos(reached: int) -> list[int]:
    return list(Photo.objects.filter(pk__gt=reached).order_by("pk").values_list("pk", flat=True)[:PORTION])


def _weigh_portion(space: EmbeddingSpace, photo_ids: Sequence[int]) -> None:
    weights = _weights(space, photo_ids)
    with transaction.atomic():
        photos = Photo.objects.select_for_update(no_key=True).filter(pk__in=photo_ids).order_by("pk")
        kept = set(photos.values_list("pk", flat=True))
        kept &= {*photo_ids} if _is_current(space) else set()
        _write(space, photo_ids, {key: weight for key, weight in weights.items() if key[0] in kept})


def _is_current(space: EmbeddingSpace) -> bool:
    return EmbeddingSpace.objects.filter(pk=space.pk).exclude(state=SpaceState.RETIRED).exists()


def _weights(space: EmbeddingSpace, photo_ids: Sequence[int]) -> dict[tuple[int, int], float]:
    """Return the weights of the photos' segments by (photo id, rank); none where a photo has no public place."""
    statement = sql.SQL(_NEIGHBOURS).format(
        nearest=vectors.nearest_segments_sql(
            space,
            query=sql.SQL("me.vector"),
            limit=_NEAREST_SEGMENTS,
            where=sql.SQL(f"{_KNOWN_TO_ALL} AND {_ANOTHER_OBSERVATION}").format(burst_s=sql.Literal(BURST_S)),
            exact=_few_are_known(),
        ),
        neighbours=sql.Literal(NEIGHBOURS),
        space=sql.Literal(space.pk),
    )
    with vectors.binary_cursor() as cursor:
        rows = cursor.execute(statement, [list(photo_ids)]).fetchall()
    found: dict[tuple[int, int], list[tuple[float, ...]]] = {}
    for photo_id, rank, *evidence in rows:
        found.setdefault((photo_id, rank), []).append(tuple(evidence))
    return {key: _weigh(np.array(evidence, np.float64)) for key, evidence in found.items()}


def _few_are_known() -> bool:
    known = Photo.objects.filter(visibility="public", location_visibility="exact", latitude__isnull=False)
    return known.order_by()[: EXACT_PHOTOS + 1].count() <= EXACT_PHOTOS


def _weigh(evidence: NDArray[np.float64]) -> float:
    """Return the weight of one segment from (K, 5): similarity, own place, the neighbour's place."""
    return weigh(evidence[:, 0], haversine_m(*evidence[:, 1:].T))


def _write(space: EmbeddingSpace, photo_ids: Sequence[int], weights: Mapping[tuple[int, int], float]) -> None:
    """Put the photos' weights in the place of those they had."""
    columns = [list(column) for column in zip(*((*key, weight) for key, weight in weights.items()), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM search_segmentweight WHERE space_id = %s AND photo_id = ANY(%s)", [space.pk, list(photo_ids)]
        )
        if columns:
            cursor.execute(
                "INSERT INTO search_segmentweight (space_id, photo_id, rank, weight)"
                " SELECT %s, * FROM unnest(%s::bigint[], %s::smallint[], %s::real[])",
                [space.pk, *columns],
            )


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
