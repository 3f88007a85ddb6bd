"""The process that looks after the worker: starts it again when it dies, and reconciles."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from photos.queues import QueueName
from photos.services import indexing, sweeping
from photos.vision.errors import VisionError

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 0.2
_HEALTHY_AFTER_S: Final = 60.0
_LONGEST_PAUSE_S: Final = 10.0
_JOB_GRACE_S: Final = 4.0
_END_GRACE_S: Final = 2.0
_SWEEP_EVERY_S: Final = 3600.0


class Supervisor:
    """Keeps one worker process of a queue running until told to stop."""

    def __init__(self, queue: QueueName) -> None:
        self._queue = queue
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C; then the worker may finish its picture, for a few seconds."""
        for request in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(request, self._request_stop)
        rounds = threading.Thread(target=reconcile_until, args=(self._stopping.wait,), name="reconciler", daemon=True)
        rounds.start()
        try:
            while not self._stopping.is_set():
                self._look_after_child()
                self._stopping.wait(_LOOK_EVERY_S)
        finally:
            self._stopping.set()
            self._end_child()

    def _request_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _look_after_child(self) -> None:
        status = None if self._process is None else self._process.poll()
        if self._process is not None and status is None:
            return
        if self._process is not None:
            self._pause(status)
        if not self._stopping.is_set():
            self._start_child()

    def _pause(self, status: int | None) -> None:
        """Wait before the next start: longer each time while the worker keeps dying young."""
        if time.monotonic() - self._started_at > _HEALTHY_AFTER_S:
            self._failures = 0
        pause_s = min(_LONGEST_PAUSE_S, 0.2 * 2**self._failures)
        self._failures += 1
        logger.warning("the worker of %s ended with status %s; starting again in %.1f s", self._queue, status, pause_s)
        self._stopping.wait(pause_s)

    def _start_child(self) -> None:
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "work", self._queue]
        self._process = subprocess.Popen([*command, "--child-of", str(os.getpid())], stdin=subprocess.DEVNULL)
        self._started_at = time.monotonic()

    def _end_child(self) -> None:
        if self._process is None:
            return
        for request, grace_s in ((signal.SIGTERM, _JOB_GRACE_S), (signal.SIGTERM, _END_GRACE_S), (signal.SIGKILL, 5.0)):
            self._process.send_signal(request)
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                continue
            return


def reconcile_until(wait: Callable[[float], bool]) -> None:
    """Reconcile every `RECONCILE_EVERY_S`, and sweep now and then, until `wait` says that it is over."""
    next_sweep = time.monotonic() + _SWEEP_EVERY_S
    problem = ""
    while True:
        try:
            indexing.reconcile()
            if time.monotonic() >= next_sweep:
                next_sweep = time.monotonic() + _SWEEP_EVERY_S
                sweeping.sweep()
            problem = ""
        except (DatabaseError, OSError, VisionError) as exc:  # also a DEFAULT_SPACE that nobody knows
            if not problem:
                logger.warning("cannot reconcile: %s", exc)
            problem = str(exc)
            connection.close()
        if wait(float(settings.RECONCILE_EVERY_S)):
            connection.close()
            return
