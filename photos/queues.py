"""The doorbell: telling the workers that there is work. What is to do stands in PostgreSQL.

Redis may be away or forget everything at any time; the reconciler rings again.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias

import django_rq
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from rq import Worker

logger = logging.getLogger(__name__)

QueueName: TypeAlias = Literal["interactive", "index"]
QUEUE_NAMES: Final[tuple[QueueName, ...]] = ("interactive", "index")

FULL: Final = 10_000
"""At so many waiting jobs nothing more is put in: the reconciler tops up, and a flood costs Redis no memory."""

_KEEP_RESULT_S: Final = 60
_KEEP_FAILURE_S: Final = 24 * 3600
_HANGING_PAUSE_S: Final = 10.0


class _Complaint:
    """Says once that Redis is away, and once that it is back.

    A Redis that hangs is left in peace for a while, or every upload would wait for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away = False
        self._ask_again_at = 0.0

    @property
    def hangs(self) -> bool:
        return time.monotonic() < self._ask_again_at

    def note(self, problem: Exception | None) -> None:
        with self._lock:
            changed, self._away = self._away != (problem is not None), problem is not None
            if isinstance(problem, RedisTimeout):
                self._ask_again_at = time.monotonic() + _HANGING_PAUSE_S
        if changed and problem is not None:
            logger.warning("Redis is away (%s); work waits in PostgreSQL until it is back", problem)
        elif changed:
            logger.info("Redis is back")


_complaint = _Complaint()


def ring(queue: QueueName, job: str, ids: Sequence[int], *, prefix: str, at_front: bool = False) -> int:
    """Enqueue `job(id)` for each id, `job` being a dotted path; returns how many: 0 while Redis is away or full.

    Never raises for Redis: an upload must not fail because the doorbell is broken. Job ids are
    `prefix-id-random`, by which `waiting_ids` knows them again.
    """
    if not ids or _complaint.hangs:
        return 0
    try:
        target = django_rq.get_queue(queue)
        if target.count >= FULL:
            return 0
        with target.connection.pipeline() as pipe:
            for one in ids:
                target.enqueue_call(
                    job,
                    args=(one,),
                    job_id=f"{prefix}-{one}-{secrets.token_hex(4)}",
                    description=f"{prefix} {one}",
                    result_ttl=_KEEP_RESULT_S,
                    failure_ttl=_KEEP_FAILURE_S,
                    at_front=at_front,
                    pipeline=pipe,
                )
            pipe.execute()
    except (RedisError, OSError) as exc:
        _complaint.note(exc)
        return 0
    _complaint.note(None)
    return len(ids)


def waiting_ids(queue: QueueName, *, prefix: str) -> set[int] | None:
    """Return the ids that are in the queue already; None while Redis is away."""
    if _complaint.hangs:
        return None
    try:
        names: Iterable[Any] = django_rq.get_queue(queue).get_job_ids()
    except (RedisError, OSError) as exc:
        _complaint.note(exc)
        return None
    _complaint.note(None)
    parts = (str(name).split("-") for name in names)
    return {int(part[1]) for part in parts if len(part) == 3 and part[0] == prefix and part[1].isdigit()}


def is_worked(queue: QueueName) -> bool | None:
    """Whether any worker, on whatever machine, serves the queue; None while Redis is away."""
    if _complaint.hangs:
        return None
    try:
        return bool(Worker.all(queue=django_rq.get_queue(queue)))
    except (RedisError, OSError) as exc:
        _complaint.note(exc)
        return None


def is_worked_here(queue: QueueName) -> bool:
    """Whether a worker of this machine serves the queue; False also while Redis is away."""
    try:
        workers = Worker.all(queue=django_rq.get_queue(queue))
    except (RedisError, OSError):
        return False
    return any(worker.hostname == socket.gethostname() for worker in workers)
