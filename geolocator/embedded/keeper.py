"""The process that runs one server for as long as anybody uses it.

Started by `ensure_servers` as `python -m geolocator.embedded NAME DATA_DIR [--not-durable]`, in a session
of its own so that a Ctrl-C in the terminal reaches the users first. It starts its server again when that
dies, and ends it when the last user's lock is gone, whether that user left or was killed. On Linux the
server ends with its keeper, too.
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
from typing import IO

from .accounts import before_exec
from .errors import EmbeddedServerError
from .locks import FileLock
from .postgres_server import PostgresServer, server_environment
from .processes import stop_process
from .redis_server import RedisServer
from .server import KEEPER_MARK, Server, lock_path, log_path, rotate_log

_LOOK_EVERY_S = 0.2
_START_LIMIT_S = 600.0  # a large database may have much to recover after a crash
_TERMINATED_GRACE_S = 10.0
_LONGEST_PAUSE_S = 30.0
_HEALTHY_AFTER_S = 60.0
_START_ERRORS = (EmbeddedServerError, OSError, subprocess.SubprocessError)


class Keeper:
    """Runs one server; see the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._log = log_path(server.name, server.data_dir)
        self._users = FileLock(lock_path(server.name, server.data_dir, "users"))
        self._process: subprocess.Popen[bytes] | None = None
        self._leave_at = float("inf")
        self._started_at = 0.0
        self._restarts = 0

    def start(self) -> None:
        """Start the server and wait until it answers."""
        began = time.monotonic()
        self._server.prepare()
        while (failure := self._start_once()) is not None:
            if not self._server.recover(failure, time.monotonic() - began):
                raise EmbeddedServerError(f"{self._server.name} did not start; it says:\n{failure.strip()}")
            time.sleep(_LOOK_EVERY_S)

    def keep(self) -> None:
        """Until nobody uses the server any more: look after it."""
        while not self._should_end():
            time.sleep(_LOOK_EVERY_S)
            if (self._process is None or self._process.poll() is not None) and self._may_restart():
                self._restart()

    def stop(self) -> None:
        """End the server, politely at first."""
        if self._process is not None:
            stop_process(self._process, self._server.stop_signals)

    def leave_soon(self, _signal: int, _frame: FrameType | None) -> None:
        """On SIGTERM: still let the users finish, who were probably told to end as well."""
        self._leave_at = min(self._leave_at, time.monotonic() + _TERMINATED_GRACE_S)

    def _should_end(self) -> bool:
        deleted = not self._server.folder.exists()
        return deleted or time.monotonic() >= self._leave_at or self._users.acquire()

    def _start_once(self) -> str | None:
        """Start the server; what it logged when it ended instead of answering."""
        rotate_log(self._log)
        with self._log.open("ab") as log:
            offset = log.tell()
            process = self._process = self._spawn(log)
        self._started_at = time.monotonic()
        while process.poll() is None:
            if self._server.answers():
                return None
            if time.monotonic() > self._started_at + _START_LIMIT_S:
                self.stop()
            time.sleep(0.02)
        return _read_from(self._log, offset)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        server = self._server
        return subprocess.Popen(
            server.command(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=server_environment(),
            start_new_session=True,
            preexec_fn=before_exec(server.account, server.folder, server.stop_signals[0]),
        )

    def _may_restart(self) -> bool:
        """At once after a long life, and with growing pauses while it keeps dying."""
        if time.monotonic() - self._started_at > _HEALTHY_AFTER_S:
            self._restarts = 0
        pause_s = 0.0 if self._restarts == 0 else min(_LONGEST_PAUSE_S, 0.25 * 2**self._restarts)
        return time.monotonic() >= self._started_at + pause_s

    def _restart(self) -> None:
        self._restarts += 1
        self._note("ended by itself; starting it again")
        try:
            self.start()
        except _START_ERRORS as exc:
            self._started_at = time.monotonic()
            self._note(str(exc))

    def _note(self, text: str) -> None:
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{now}{KEEPER_MARK}{text}\n")


def make_server(name: str, data_dir: Path, *, durable: bool) -> Server:
    """The server of that name: `postgres` or `redis`."""
    if name == "postgres":
        return PostgresServer(data_dir, durable=durable)
    return RedisServer(data_dir, durable=durable)


def main(arguments: list[str]) -> None:
    """Run a keeper; one line on the standard output tells how the start went.

    Its locks end with the process and not before: who sees them free finds no keeper left. The kernel closes the
    keeper's lock first, being the older one, so that the next user finds it free.
    """
    name, folder, *options = arguments
    os.umask(0o022)
    lock = FileLock(lock_path(name, Path(folder), "keeper"))
    if not lock.acquire(timeout_s=5.0):
        _report(f"another keeper of {name} is running")
        return
    try:
        keeper = Keeper(make_server(name, Path(folder), durable="--not-durable" not in options))
        for request in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(request, keeper.leave_soon)
        _run(keeper)
    except _START_ERRORS as exc:
        _report(str(exc))


def _run(keeper: Keeper) -> None:
    try:
        keeper.start()
        _report("")
        keeper.keep()
    finally:
        keeper.stop()


def _report(problem: str) -> None:
    """Tell the starter, and let go of its pipe."""
    sys.stdout.write(json.dumps({"problem": problem}) + "\n")
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _read_from(path: Path, offset: int) -> str:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace")
