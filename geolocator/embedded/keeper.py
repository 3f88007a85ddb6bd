"""The process that runs one server for as long as anybody uses it.

Started by `ensure_servers` as `python -m geolocator.embedded.keeper NAME DATA_DIR [--not-durable]`, in a session of
its own so that a Ctrl-C in the terminal reaches the users first. It starts its server again when that dies, and
ends it when the last user's lock is gone, whether that user left or was killed. On Linux the server ends with its
keeper, too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from .accounts import before_exec
from .errors import EmbeddedServerError
from .locks import FileLock
from .postgres_server import PostgresServer, server_environment
from .redis_server import RedisServer
from .server import Server, lock_path, log_path, rotate_log

_LOOK_EVERY_S = 0.2
_START_LIMIT_S = 600.0  # a large database may have much to recover after a crash
_STOP_GRACE_S = 8.0
_TERMINATED_GRACE_S = 10.0
_LONGEST_PAUSE_S = 30.0
_HEALTHY_AFTER_S = 60.0


class Keeper:
    """Runs one server; see the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._log = log_path(server.name, server.data_dir)
        self._users = FileLock(lock_path(server.name, server.data_dir, "users"))
        self._process: subprocess.Popen[bytes] | None = None
        self._leave_at = float("inf")
        self._pause_s = 0.0

    def start(self) -> None:
        """Start the server and wait until it answers."""
        began = time.monotonic()
        self._server.prepare()
        while not (failure := self._start_once()) is None:
            waited_s = time.monotonic() - began
            if not self._server.recover(failure, waited_s):
                raise EmbeddedServerError(f"{self._server.name} did not start; it says:\n{failure.strip()}")
            time.sleep(_LOOK_EVERY_S)

    def keep(self) -> None:
        """Until nobody uses the server any more: look after it."""
        started = time.monotonic()
        while not self._should_end():
            time.sleep(_LOOK_EVERY_S)
            if self._process is None or self._process.poll() is not None:
                self._restart(lived_s=time.monotonic() - started)
                started = time.monotonic()

    def stop(self) -> None:
        """End the server, politely at first."""
        if self._process is None:
            return
        for request in self._server.stop_signals:
            self._process.send_signal(request)
            try:
                self._process.wait(_STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                continue
            return

    def leave_soon(self, _signal: int, _frame: FrameType | None) -> None:
        """On SIGTERM: still let the users finish, who were probably told to end as well."""
        self._leave_at = min(self._leave_at, time.monotonic() + _TERMINATED_GRACE_S)

    def _should_end(self) -> bool:
        return time.monotonic() >= self._leave_at or not self._log.exists() or self._users.acquire()

    def _start_once(self) -> str | None:
        """Start the server; what it logged when it ended instead of answering."""
        rotate_log(self._log)
        with self._log.open("ab") as log:
            offset = log.tell()
            self._process = subprocess.Popen(
                self._server.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=server_environment(),
                start_new_session=True,
                preexec_fn=before_exec(self._server.account, self._server.folder, self._server.stop_signals[0]),
            )
        deadline = time.monotonic() + _START_LIMIT_S
        while self._process.poll() is None:
            if self._server.answers():
                return None
            if time.monotonic() >= deadline:
                self.stop()
                break
            time.sleep(0.02)
        return _read_from(self._log, offset)

    def _restart(self, *, lived_s: float) -> None:
        if lived_s > _HEALTHY_AFTER_S:
            self._pause_s = 0.0
        self._note(f"{self._server.name} ended by itself; starting it again")
        time.sleep(self._pause_s)
        self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s + 0.5)
        try:
            self.start()
        except (EmbeddedServerError, OSError) as exc:
            self._note(str(exc))

    def _note(self, text: str) -> None:
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{now} keeper: {text}\n")


def make_server(name: str, data_dir: Path, *, durable: bool) -> Server:
    """The server of that name: `postgres` or `redis`."""
    kinds: dict[str, type[PostgresServer] | type[RedisServer]] = {"postgres": PostgresServer, "redis": RedisServer}
    return kinds[name](data_dir, durable=durable)


def main(arguments: list[str]) -> int:
    """Run a keeper; the first line on the standard output tells whether its server answers."""
    name, folder, *options = arguments
    data_dir = Path(folder)
    os.umask(0o077)
    lock = FileLock(lock_path(name, data_dir, "keeper"))
    if not lock.acquire(timeout_s=5.0):
        return _report("another keeper is running")
    try:
        keeper = Keeper(make_server(name, data_dir, durable="--not-durable" not in options))
        for request in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(request, keeper.leave_soon)
        try:
            keeper.start()
        finally_error: ...
    except (EmbeddedServerError, OSError, subprocess.SubprocessError) as exc:
        return _report(str(exc))
