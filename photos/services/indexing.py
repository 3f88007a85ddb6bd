"""Getting photos described: asked for here, done by `photos.jobs`, seen to by the reconciler.

PostgreSQL says what is to do; Redis only rings. Whatever ends a worker, loses a job or empties Redis, the next
`reconcile` finds the photo again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from photos import queues
from photos.errors import LeaseLostError
from photos.models import DescriptionGap, EmbeddingSpace, Photo, PhotoState
from photos.models.embedding import SpaceState
from photos.services import availability, leases
from photos.services.describing import MODEL_ERRORS, index_leased
from photos.services.spaces import current_spaces, ensure_default_space, remaining_photos
from photos.vision.errors import VisionError

logger = logging.getLogger(__name__)

JOB: Final = "photos.jobs.index_photo"
PREFIX: Final = "photo"
QUEUE_DEPTH: Final = 1000
"""Up to so many photos the reconciler puts into Redis; the others wait in PostgreSQL."""

_LOCK: Final = 0x7265636E
_reconcilers: Final[dict[str, Callable[[], int]]] = {}
_follow_ups: Final[dict[str, Callable[[int], object]]] = {}


# --- asking for it --------------------------------------------------------------------------------------


def request_index(photo_ids: Iterable[int]) -> int:
    """Have photos indexed (again) from their first attempt; rings when the transaction commits.

    What they have stays findable until the new is written. A worker that is at one of them loses its lease.
    Returns how many.
    """
    ids = list(photo_ids)
    changed = Photo.objects.filter(pk__in=ids).update(
        state=PhotoState.PENDING, stage="", attempts=0, lease_token=None, lease_expires_at=None, index_error=""
    )
    ring_on_commit(ids)
    return changed


def reindex(photos: QuerySet[Photo]) -> int:
    """Have every photo of a query set indexed again."""
    return request_index(photos.values_list("pk", flat=True))


def retry(photos: QuerySet[Photo]) -> int:
    """Give the photos of a query set that failed, are quarantined or are not in all spaces another chance."""
    troubled = Q(state__in=[PhotoState.FAILED, PhotoState.QUARANTINED])
    refused = Q(pk__in=DescriptionGap.objects.filter(permanent=True).values("photo_id"))
    return reindex(photos.filter(troubled | refused))


def ring_on_commit(photo_ids: Iterable[int]) -> None:
    """Ring for photos as soon as the current transaction, if any, commits; before a backlog of older ones."""
    ids = list(photo_ids)[:QUEUE_DEPTH]
    transaction.on_commit(partial(queues.ring, "index", JOB, ids, prefix=PREFIX, at_front=len(ids) == 1), robust=True)


# --- doing it -------------------------------------------------------------------------------------------


def index_now(photo_id: int) -> bool:
    """Claim and index one photo; False where there was nothing to do or it did not work out.

    Never raises for a picture: it ends ready, failed, pending for another attempt, or quarantined. Before there is a
    space it stays pending.
    """
    spaces = current_spaces()
    if not spaces:
        return False
    lease = leases.claim(photo_id, availability.available(spaces))
    if lease is None:
        return False
    with lease:
        return _attempt(lease)


def _attempt(lease: leases.Lease) -> bool:
    """Do the work, and end the lease by how it ended."""
    try:
        index_leased(lease)
    except LeaseLostError as exc:
        logger.info("%s", exc)
    except FileNotFoundError:
        leases.refuse(lease, reason="The picture's file is missing.")
    except MODEL_ERRORS as exc:  # told once a minute, see availability
        leases.give_back(lease, reason=str(exc), count_attempt=False)
    except VisionError as exc:
        logger.warning("photo %d: %s", lease.photo_id, exc)
        settle = leases.refuse if exc.permanent else leases.give_back
        settle(lease, reason=str(exc))
    except Exception as exc:
        logger.exception("photo %d: attempt %d failed", lease.photo_id, lease.attempt)
        leases.give_back(lease, reason=f"{type(exc).__name__}: {exc}".replace("\0", ""))
    except BaseException:  # told to end: the attempt was not the picture's fault
        leases.give_back(lease, count_attempt=False)
        raise
    else:
        return True
    return False


def register_follow_up(name: str, act: Callable[[int], object]) -> None:
    """Have something done with the id of every photo that a worker has described."""
    _follow_ups[name] = act


def follow_up(photo_id: int) -> None:
    """Do what other apps registered. The photo is ready, whatever becomes of it: what fails is logged."""
    for name, act in _follow_ups.items():
        try:
            act(photo_id)
        except Exception:
            logger.exception("photo %d: %s failed", photo_id, name)


# --- seeing to it ---------------------------------------------------------------------------------------


def register_reconciler(name: str, reconcile_other: Callable[[], int]) -> None:
    """Have another app's work seen to as well: called with every `reconcile`, it returns how many it requeued."""
    _reconcilers[name] = reconcile_other


def reconcile() -> dict[str, int]:
    """Ring again for all work that nobody is at, and quarantine what used up its attempts; make the first space.

    Returns counts: `photos` requeued, `quarantined`, and those of the registered others. One process at a time;
    the others return nothing.
    """
    with _alone() as alone:
        if not alone:
            return {}
        ensure_default_space()
        counts = {"quarantined": leases.quarantine_spent(), "photos": _requeue()}
        for name, reconcile_other in _reconcilers.items():
            counts[name] = reconcile_other()
    if any(counts.values()):
        logger.info("reconciled: %s", ", ".join(f"{count} {name}" for name, count in counts.items() if count))
    return counts


def _requeue() -> int:
    """Ring for claimable photos that are not in the queue: new ones first, then those a new space waits for."""
    waiting = queues.waiting_ids("index", prefix=PREFIX)
    if waiting is None or len(waiting) >= QUEUE_DEPTH:
        return 0
    able = _spaces_to_work_for()
    if not able:
        return 0
    photos = Photo.objects.filter(leases.claimable(able)).order_by(F("indexed_at").asc(nulls_first=True), "id")
    ids = photos.values_list("pk", flat=True)[: QUEUE_DEPTH + len(waiting)]
    missing = [pk for pk in ids if pk not in waiting][: QUEUE_DEPTH - len(waiting)]
    return queues.ring("index", JOB, missing, prefix=PREFIX)


def _spaces_to_work_for() -> list[EmbeddingSpace]:
    """Return the spaces whose models this machine has; none without the active one's, which every photo needs.

    What the others wait for is told, where photos do.
    """
    able = []
    for space in current_spaces():
        if not (why := availability.outage(space)):
            able.append(space)
            continue
        if remaining_photos(space):
            availability.tell(space, why)
        if space.state == SpaceState.ACTIVE:
            return []
    return able


@contextmanager
def _alone() -> Iterator[bool]:
    """Hold the reconcilers' lock, if it is free."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        alone = bool(cursor.fetchone()[0])
        try:
            yield alone
        finally:
            if alone:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
