"""How long the line is before a question that waits, and whether anybody serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from photos import queues
from search.models import RequestState, SearchRequest

Trouble: TypeAlias = Literal["", "busy", "no-worker", "no-queue"]

PATIENCE_S: Final = 2.0
"""A question that waits no longer than this is not worth a word about the line."""

SLOW_S: Final = 20.0
QUEUE: Final = "interactive"


@dataclass(frozen=True, slots=True)
class Line:
    """`position` is 1 for the next one to be answered, 0 for one that is being answered."""

    position: int = 0
    trouble: Trouble = ""


def look_at_line(request: SearchRequest) -> Line:
    """Return where an unfinished request stands."""
    waited_s = (timezone.now() - request.created_at).total_seconds()
    if request.state == RequestState.RUNNING:
        return Line(trouble="busy" if waited_s > SLOW_S else "")
    if request.state != RequestState.PENDING or waited_s < PATIENCE_S:
        return Line()
    return Line(position=_position(request), trouble=_trouble(waited_s))


def _position(request: SearchRequest) -> int:
    unfinished = Q(state__in=[RequestState.PENDING, RequestState.RUNNING], expires_at__gt=Now())
    return 1 + SearchRequest.objects.filter(unfinished, pk__lt=request.pk).count()


def _trouble(waited_s: float) -> Trouble:
    served = queues.is_worked(QUEUE)
    if served is None:
        return "no-queue"
    if not served:
        return "no-worker"
    return "busy" if waited_s > SLOW_S else ""
