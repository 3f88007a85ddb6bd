"""Who may answer a request: one worker at a time, for as long as its lease runs.

Claiming counts the attempt and commits before a byte is decoded; the token fences the final write. All times are
the database's.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from search.errors import RequestLostError
from search.models import RequestState, SearchRequest

logger = logging.getLogger(__name__)


def claimable() -> Q:
    """Return the condition of requests that nobody is at, with attempts left, not expired."""
    lost = Q(state=RequestState.RUNNING, lease_expires_at__lt=Now())
    return (Q(state=RequestState.PENDING) | lost) & Q(attempts__lt=settings.INDEX_ATTEMPTS, expires_at__gt=Now())


def claim(request_id: int) -> SearchRequest | None:
    """Take the lease and count the attempt; None where there is nothing to do or another worker is at it."""
    token = uuid.uuid4()
    taken = SearchRequest.objects.filter(claimable(), pk=request_id).update(
        state=RequestState.RUNNING,
        stage="waiting",
        attempts=F("attempts") + 1,
        lease_token=token,
        lease_expires_at=_expiry(),
    )
    return SearchRequest.objects.filter(pk=request_id, lease_token=token).first() if taken else None


def note_stage(request: SearchRequest, stage: str) -> None:
    """Tell the asker how far it is, and extend the lease; raises `RequestLostError`."""
    if not _held(request).update(stage=stage, lease_expires_at=_expiry()):
        raise _lost(request)


def note_first(request: SearchRequest, record: dict[str, Any]) -> None:
    """Tell the asker what a first look found, and extend the lease; raises `RequestLostError`."""
    if not _held(request).update(first_result=record, lease_expires_at=_expiry()):
        raise _lost(request)


def finish(request: SearchRequest, record: dict[str, Any]) -> None:
    """Write the answer; raises `RequestLostError`."""
    _end(request, state=RequestState.DONE, result=record, error="", error_detail="", finished_at=Now())


def fail(request: SearchRequest, reason: str, *, detail: str = "") -> None:
    """End the request without an answer; raises `RequestLostError`."""
    _end(request, state=RequestState.FAILED, error=reason, error_detail=detail, finished_at=Now())


def settle(request: SearchRequest, reason: str, *, permanent: bool, detail: str = "") -> None:
    """Fail for good, or have it tried again while there are attempts left; `detail` is for curators alone."""
    try:
        if permanent or request.attempts >= settings.INDEX_ATTEMPTS:
            fail(request, reason, detail=detail)
        else:
            give_back(request, error=reason, detail=detail)
    except RequestLostError as exc:
        logger.info("%s", exc)


def give_back(request: SearchRequest, *, error: str = "", detail: str = "", count_attempt: bool = True) -> None:
    """Make an unfinished request pending again."""
    _held(request).update(
        state=RequestState.PENDING,
        stage="",
        attempts=request.attempts if count_attempt else max(0, request.attempts - 1),
        lease_token=None,
        lease_expires_at=None,
        error=error,
        error_detail=detail,
    )


def fail_spent() -> int:
    """Fail requests whose last attempt ended with its worker; returns how many."""
    lost = Q(state=RequestState.RUNNING, lease_expires_at__lt=Now()) | Q(state=RequestState.PENDING)
    return SearchRequest.objects.filter(lost, attempts__gte=settings.INDEX_ATTEMPTS).update(
        state=RequestState.FAILED,
        stage="",
        lease_token=None,
        lease_expires_at=None,
        error=f"The worker ended {settings.INDEX_ATTEMPTS} times while it was answering.",
        finished_at=Now(),
    )


def _end(request: SearchRequest, **values: Any) -> None:
    if not _held(request).update(stage="", lease_token=None, lease_expires_at=None, **values):
        raise _lost(request)


def _held(request: SearchRequest) -> QuerySet[SearchRequest]:
    return SearchRequest.objects.filter(pk=request.pk, lease_token=request.lease_token, state=RequestState.RUNNING)


def _expiry() -> CombinedExpression:
    return Now() + timedelta(seconds=settings.INDEX_LEASE_S)


def _lost(request: SearchRequest) -> RequestLostError:
    return RequestLostError(f"request {request.uuid} is no longer ours to answer")
