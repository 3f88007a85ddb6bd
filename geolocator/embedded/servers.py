"""Starting, sharing and leaving the embedded servers.

Every user of a server holds a shared lock for as long as it lives; one keeper process runs the server and
ends it when the last of these locks is gone. So commands share a server and end in any order, also by
kill -9.
See docs/decisions/0003-embedded-servers.md.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from .errors import EmbeddedServerError
from .keeper import make_server
from .locks import FileLock
from .paths import lock_dir, log_dir, resolved
from .server import lock_path, log_path

_PROJECT = Path(__file__).resolve().parents[2]
_START_LIMIT_S = 600.0  # a large database may have much to recover after a crash
_STOP_LIMIT_S = 20.0
_LOOK_EVERY_S = 0.05


class Servers:
    """Our use of the running servers, until `close`. Also a context manager."""

    def __init__(self, data_dir: Path, names: list[str], *, durable: bool) -> None:
        self._uses = [_Use(name, data_dir, durable=durable) for name in names]

    def ensure(self) -> None:
        """Start what does not run, and wait until everything answers.

        Raises EmbeddedServerError with what the server said.
        """
        try:
            for use in self._uses:
                use.begin_start()
            for use in self._uses:
                use.finish_start()
        except BaseException:  # a Ctrl-C, too
            self.close()
            raise

    def keepers_are_alive(self) -> bool:
        """Whether every server is still being looked after; if not, `ensure` starts it again."""
        return all(not use.keeper_lock.is_free() for use in self._uses)

    def close(self) -> None:
        """Leave the servers; waits for their end where we were their last user."""
        for use in self._uses:
            use.leave()
        for use in self._uses:
            use.wait_for_end()

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ensure_servers(data_dir: Path, *, postgres: bool = True, redis: bool = True, durable: bool = True) -> Servers:
    """Use the servers of a data folder: starts what does not run, joins what does.

    `durable=False` trades safety for speed, for tests. Raises EmbeddedServerError.
    """
    folder = resolved(data_dir)
    names = [name for name, wanted in (("postgres", postgres), ("redis", redis)) if wanted]
    try:
        lock_dir(folder).mkdir(parents=True, exist_ok=True)
        log_dir(folder).mkdir(mode=0o700, exist_ok=True)
        servers = Servers(folder, names, durable=durable)
        servers.ensure()
    except PermissionError as exc:
        raise EmbeddedServerError(
            f"{exc.filename} belongs to another user; run as that user, or choose another DATA_DIR"
        ) from exc
    return servers


class _Use:
    """Our use of one server."""

    def __init__(self, name: str, data_dir: Path, *, durable: bool) -> None:
        self._server = make_server(name, data_dir, durable=durable)
        self._command = [sys.executable, "-m", "geolocator.embedded", name, str(data_dir)]
        self._command += [] if durable else ["--not-durable"]
        self._users = FileLock(lock_path(name, data_dir, "users"))
        self._start = FileLock(lock_path(name, data_dir, "start"))
        self.keeper_lock = FileLock(lock_path(name, data_dir, "keeper"))
        self._keeper: subprocess.Popen[str] | None = None
        self._starting = False
        self._was_last = False

    def begin_start(self) -> None:
        """Take part; where no keeper runs, spawn one. Holds the start lock until `finish_start`."""
        self._take(self._start)
        if not self._users.held:
            self._take(self._users, shared=True)
        if self.keeper_lock.is_free():
            self._spawn_keeper()

    def finish_start(self) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + _START_LIMIT_S
        try:
            while self._starting or self.keeper_lock.is_free() or not self._server.answers():
                self._advance_start()
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"{self._server.name} does not answer; see {log_dir(self._server.data_dir)}"
                    )
                time.sleep(_LOOK_EVERY_S)
        finally:
            self._start.release()

    def _advance_start(self) -> None:
        """Hear the keeper that we spawned, or spawn one where the one that ran is gone."""
        if self._starting:
            self._starting = False
            self._hear_keeper()
        elif self.keeper_lock.is_free():
            self._spawn_keeper()

    def leave(self) -> None:
        self._was_last = False
        if self._users.held:
            self._users.release()
            self._was_last = self._users.is_free()

    def wait_for_end(self) -> None:
        """Where we were the last user: until the keeper is gone, or somebody else came."""
        deadline = time.monotonic() + _STOP_LIMIT_S
        while self._was_last and not self.keeper_lock.is_free() and time.monotonic() < deadline:
            if not self._users.is_free() and self._users.acquire(shared=True):
                self._users.release()  # a stopping keeper would not have shared it
                break
            time.sleep(_LOOK_EVERY_S)
        self._start.release()
        if self._keeper is not None and self._was_last:
            self._reap()

    def _take(self, lock: FileLock, *, shared: bool = False) -> None:
        if not lock.acquire(shared=shared, timeout_s=_START_LIMIT_S):
            raise EmbeddedServerError(
                f"{lock.path} has been locked by another process for {_START_LIMIT_S:.0f} s; "
                f"see {log_dir(self._server.data_dir)}"
            )

    def _spawn_keeper(self) -> None:
        with log_path(self._server.name, self._server.data_dir).open("ab") as log:
            self._keeper = subprocess.Popen(
                self._command,
                cwd=_PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._starting = True

    def _hear_keeper(self) -> None:
        """Wait for the keeper's one line."""
        assert self._keeper is not None  # noqa: S101 - for the type checker; set where _starting is set
        assert self._keeper.stdout is not None  # noqa: S101
        line = self._keeper.stdout.readline()
        self._keeper.stdout.close()
        if not line:
            raise EmbeddedServerError(
                f"the keeper of {self._server.name} ended early; see {log_dir(self._server.data_dir)}"
            )
        if problem := json.loads(line)["problem"]:
            raise EmbeddedServerError(problem)

    def _reap(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._keeper is not None:
                self._keeper.wait(timeout=1.0)
