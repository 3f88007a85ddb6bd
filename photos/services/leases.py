"""Who may index a photo: one worker at a time, for as long as it shows that it lives.

A lease is a token in the photo's row with an end. Claiming counts the attempt and commits before a byte is
decoded, so that a picture that kills its worker is known by its attempts. The token fences the final write:
who lost the lease, or whose picture was replaced meanwhile, writes nothing. All times are the database's.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from photos.errors import LeaseLostError
from photos.models import EmbeddingSpace, Photo, PhotoState
from photos.services.spaces import lacks_any

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Lease:
    """The right to index one photo, as it was when claimed; a context manager that keeps it alive."""

    photo_id: int
    token: uuid.UUID
    attempt: int
    claimed_at: datetime
    image: str
    sha256: str
    _ended: threading.Event = field(default_factory=threading.Event)
    _heart: threading.Thread | None = None

    def __enter__(self) -> Lease:
        self._heart = threading.Thread(target=self._beat, name=f"lease-{self.photo_id}", daemon=True)
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    @property
    def is_last(self) -> bool:
        """Whether no other attempt would follow this one."""
        return self.attempt >= settings.INDEX_ATTEMPTS

    def note_stage(self, stage: str) -> None:
        """Tell how far the indexing is; raises `LeaseLostError`."""
        if not held(self).update(stage=stage, lease_expires_at=expiry()):
            raise LeaseLostError(f"photo {self.photo_id} is no longer ours to index")

    def _beat(self) -> None:
        """Extend the lease on a connection of this thread's own, until it ends or is lost."""
        try:
            while not self._ended.wait(settings.INDEX_LEASE_S / 3):
                if not self._extend():
                    return
        finally:
            connection.close()

    def _extend(self) -> bool:
        try:
            return bool(held(self).update(lease_expires_at=expiry()))
        except DatabaseError as exc:
            logger.warning("cannot extend the lease of photo %d: %s", self.photo_id, exc)
            connection.close()
            return True


def expiry() -> CombinedExpression:
    """Return the database expression of when a lease taken or extended now ends."""
    return Now() + timedelta(seconds=settings.INDEX_LEASE_S)


def held(lease: Lease) -> QuerySet[Photo]:
    """Return the query set of the leased photo: empty as soon as the lease is lost."""
    return Photo.objects.filter(pk=lease.photo_id, lease_token=lease.token, state=PhotoState.INDEXING)


def claimable(spaces: Collection[EmbeddingSpace] | None = None) -> Q:
    """Return the condition of photos with work to do that nobody is at, with attempts left.

    `spaces` are those that can be worked for, by default all: photos that are ready and lack only others have no
    work to do.
    """
    lost = Q(state=PhotoState.INDEXING, lease_expires_at__lt=Now())
    return (Q(state=PhotoState.PENDING) | lost | lacks_any(spaces)) & Q(attempts__lt=settings.INDEX_ATTEMPTS)


def claim(photo_id: int, spaces: Collection[EmbeddingSpace] | None = None) -> Lease | None:
    """Take the lease and count the attempt; None where there is nothing to do or another worker is at it.

    `spaces` as in `claimable`.
    """
    token = uuid.uuid4()
    taken = Photo.objects.filter(claimable(spaces), pk=photo_id).update(
        state=PhotoState.INDEXING,
        stage="waiting",
        attempts=F("attempts") + 1,
        lease_token=token,
        lease_expires_at=expiry(),
    )
    if not taken:
        return None
    row = Photo.objects.filter(pk=photo_id, lease_token=token).annotate(now=Now())
    found = row.values_list("attempts", "now", "image", "sha256").first()
    return Lease(photo_id, token, *found) if found else None


def give_back(lease: Lease, *, reason: str = "", count_attempt: bool = True) -> None:
    """End an unfinished lease: pending again, or quarantined with `reason` after the last attempt."""
    spent = lease.is_last and count_attempt
    held(lease).update(
        state=PhotoState.QUARANTINED if spent else PhotoState.PENDING,
        stage="",
        attempts=lease.attempt if count_attempt else max(0, lease.attempt - 1),
        lease_token=None,
        lease_expires_at=None,
        index_error=reason,
    )


def refuse(lease: Lease, *, reason: str) -> None:
    """End a lease for good: the picture cannot be indexed, however often it is tried."""
    held(lease).update(state=PhotoState.FAILED, stage="", lease_token=None, lease_expires_at=None, index_error=reason)


def finish(lease: Lease) -> None:
    """Mark the photo ready; the first statement of the transaction that writes what was found.

    It locks the row, so that nothing can take the lease before the commit. Raises `LeaseLostError`.
    """
    done = held(lease).update(
        state=PhotoState.READY,
        stage="",
        attempts=0,
        lease_token=None,
        lease_expires_at=None,
        index_error="",
        indexed_at=lease.claimed_at,  # spaces made since are not described yet
    )
    if not done:
        raise LeaseLostError(f"photo {lease.photo_id} is no longer ours to index")


def quarantine_spent() -> int:
    """Quarantine photos whose last attempt ended with its worker; returns how many."""
    lost = Q(state=PhotoState.INDEXING, lease_expires_at__lt=Now())
    spent = Photo.objects.filter(lost | Q(state=PhotoState.PENDING), attempts__gte=settings.INDEX_ATTEMPTS)
    times = settings.INDEX_ATTEMPTS
    return spent.update(
        state=PhotoState.QUARANTINED,
        stage="",
        lease_token=None,
        lease_expires_at=None,
        index_error=f"The worker ended {times} times while it was indexing this picture.",
    )
