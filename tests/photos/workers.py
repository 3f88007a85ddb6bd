"""Real worker processes on the test's own database and Redis."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from django.conf import settings
from django.db import connection

T = TypeVar("T")


class WorkerProcess:
    """`manage.py work QUEUE` in a process group of its own, on short leases."""

    def __init__(self, media_root: Path, log: Path, *, queue: str = "index", **environment: str) -> None:
        self._queue = queue
        self._log = log
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "MEDIA_ROOT": str(media_root),
            "INDEX_LEASE_S": "2",
            "RECONCILE_EVERY_S": "1",
            "DATABASE_POOL_SIZE": "2",
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "work", self._queue],
                cwd=settings.BASE_DIR,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_tree(self) -> None:
        """Kill -9 the supervisor and its child at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def terminate(self, *, timeout_s: float) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout_s)

    def child(self) -> int:
        """The process id of the child, as soon as there is one."""
        assert self.process is not None
        return wait_until(lambda: next(iter(children_of(self.process.pid)), 0), timeout_s=20)  # type: ignore[union-attr]

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


@contextlib.contextmanager
def running_worker(media_root: Path, log: Path, **environment: str) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(media_root, log, **environment)
    worker.start()
    try:
        yield worker
    finally:
        worker.kill_tree()


def database_url() -> str:
    values = connection.settings_dict
    user = quote(values["USER"], safe="") + (f":{quote(values['PASSWORD'], safe='')}" if values["PASSWORD"] else "")
    port = f":{values['PORT']}" if values["PORT"] else ""
    return f"postgres://{user}@{quote(values['HOST'], safe='')}{port}/{values['NAME']}"


def children_of(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = (line.split() for line in listing.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(status.strip()) and not status.startswith("Z")


def wait_until(look: Callable[[], T], *, timeout_s: float, every_s: float = 0.05) -> T:
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come about within {timeout_s} s")
        time.sleep(every_s)
    return found
