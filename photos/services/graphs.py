"""Keeping the vectors of public and of private photos apart: each have search graphs of their own.

A graph that ran through photos that one may not see would let them sway which of two far candidates one finds. Who
may see a photo is always asked of the photo itself; its vectors follow into the other graphs a moment after it was
published or withdrawn, by a worker, since that costs as much as indexing them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from django.db import transaction

from photos import queues, vectors
from photos.models import Photo
from photos.models.photo import in_wrong_graph

JOB: Final = "photos.jobs.move_vectors"
PREFIX: Final = "graph"


def move_vectors(photo_id: int) -> bool:
    """Put the photo's vectors where they belong; False where they are there already."""
    with transaction.atomic():
        if not Photo.objects.filter(in_wrong_graph(), pk=photo_id).exists():
            return False
        vectors.move_vectors(photo_id)
    return True


def ring_on_commit(photo_ids: Iterable[int]) -> None:
    """Have the vectors of photos that were published or withdrawn moved, as soon as that commits."""
    moved = Photo.objects.filter(in_wrong_graph(), pk__in=list(photo_ids)).order_by("pk").values_list("pk", flat=True)
    first = list(moved[: queues.FULL // 10])
    transaction.on_commit(partial(queues.ring, "index", JOB, first, prefix=PREFIX), robust=True)


def requeue() -> int:
    """Ring for photos whose vectors stand in the wrong graphs."""
    waiting = queues.waiting_ids("index", prefix=PREFIX)
    if waiting is None or len(waiting) >= queues.FULL // 10:
        return 0
    ids = Photo.objects.filter(in_wrong_graph()).order_by("pk").values_list("pk", flat=True)[: queues.FULL // 10]
    return queues.ring("index", JOB, [pk for pk in ids if pk not in waiting], prefix=PREFIX)
