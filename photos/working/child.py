"""The process that does the work: one RQ worker without forks, so that models load once.

It outlives Redis and PostgreSQL, ends after the job at hand when told to (told twice: at once, with the photo
given back), and never outlives its parent.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from types import FrameType
from typing import Any, Final

import django_rq
from django.db import close_old_connections
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from photos.queues import QueueName

logger = logging.getLogger(__name__)

_TTL_S: Final = 30
"""How long Redis remembers an idle worker; it asks for work anew twice in that time."""

_PAUSE_S: Final = 1.0
_POLITENESS: Final = 5
_LOOK_AT_PARENT_EVERY_S: Final = 0.5
_GRACE_S: Final = 3.0


class QueueWorker(SimpleWorker):
    """RQ's worker, able to be told to end while Redis is away."""

    ending = False
    executing = False
    max_connection_wait_time = 2.0

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job at hand; a second request ends it."""
        self.ending = self._stop_requested = True
        for request in (signal.SIGINT, signal.SIGTERM):
            signal.signal(request, self.request_force_stop)
        if not self.executing:
            raise StopRequested

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    def execute_job(self, job: Any, queue: Any) -> None:
        self.executing = True
        close_old_connections()
        try:
            super().execute_job(job, queue)
        finally:
            self.executing = False
            close_old_connections()


def work(queue: QueueName, *, burst: bool = False) -> None:
    """Do the jobs of a queue until told to end; with `burst`, until none is left."""
    while not _work_once(queue, burst=burst) and not burst:
        time.sleep(_PAUSE_S)


def _work_once(queue: QueueName, *, burst: bool) -> bool:
    """Work until told to end (True), or until Redis fails (False)."""
    worker: QueueWorker | None = None
    try:
        target = django_rq.get_queue(queue)
        worker = QueueWorker(
            [target],
            connection=target.connection,
            serializer=JSONSerializer,
            worker_ttl=_TTL_S,
            queue_class=type(target),
        )
        worker.work(burst=burst, logging_level="WARNING")
    except StopRequested:
        return True
    except (RedisError, OSError) as exc:
        logger.warning("%s: Redis does not answer (%s); trying again", queue, exc)
    return worker is not None and worker.ending


def give_way(queue: QueueName) -> None:
    """Let what people wait for come before the backlog, where both run on one machine."""
    if queue == "index":
        os.nice(_POLITENESS)


def end_with_parent(parent: int) -> None:
    """End this process soon after its parent has ended, however that ended."""
    threading.Thread(target=_watch_parent, args=(parent,), name="parent", daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_AT_PARENT_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
