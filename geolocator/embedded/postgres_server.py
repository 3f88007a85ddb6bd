"""PostgreSQL 18 with pgvector on a unix socket, in `DATA_DIR/postgres/18`."""

from __future__ import annotations

import contextlib
import locale
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .accounts import before_exec, postgres_account
from .binaries import copy_postgres, postgres_installation
from .errors import EmbeddedServerError
from .paths import DATABASE_NAME, DATABASE_USER, POSTGRES_PORT, postgres_socket, resolved, socket_dir
from .probes import postgres_answers
from .processes import command_line, processes_in, wait_for_end
from .server import MIB, make_private_folder

MAJOR = 18
_LEFTOVER_GRACE_S = 20.0
_SHARED_MEMORY_GRACE_S = 3.0
_SHARED_MEMORY_LIMIT_S = 40.0


class PostgresServer:
    """The database server of one data folder."""

    name = "postgres"
    stop_signals: tuple[signal.Signals, ...] = (
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGKILL,
    )  # fast, immediate

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = resolved(data_dir)
        self.account = postgres_account()
        self.folder = self.data_dir / "postgres" / str(MAJOR)
        self._durable = durable
        self._installation = postgres_installation()

    def prepare(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.account.changes:
            self._installation = copy_postgres(self.folder.parent / "server")
        make_private_folder(socket_dir(self.data_dir), self.account)
        if not self.folder.exists():
            self._create_cluster()
        self._end_leftovers()

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(socket_dir(self.data_dir)),
            "port": POSTGRES_PORT,
            **tuning(durable=self._durable),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self._program("postgres"), "-D", str(self.folder), *options]

    def answers(self) -> bool:
        return postgres_answers(postgres_socket(self.data_dir), user=DATABASE_USER, database=DATABASE_NAME)

    def recover(self, log: str, waited_s: float) -> bool:
        """Back ends of a killed postmaster may hold its shared memory for a while."""
        if "shared memory block" not in log or waited_s > _SHARED_MEMORY_LIMIT_S:
            return False
        if waited_s > _SHARED_MEMORY_GRACE_S:
            _signal_all(self._processes(), signal.SIGKILL)
        return True

    def _program(self, name: str) -> str:
        return str(self._installation / "bin" / name)

    def _create_cluster(self) -> None:
        """The whole cluster or nothing: it gets its name once the database is in it."""
        unfinished = self.folder.with_name(f"{MAJOR}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        make_private_folder(unfinished, self.account)
        ctype = _character_locale()
        self._run(
            self._program("initdb"),
            f"--pgdata={unfinished}",
            f"--username={DATABASE_USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            f"--lc-ctype={ctype}",
            *([] if self._durable else ["--no-sync"]),
        )
        self._run(
            *[self._program("postgres"), "--single", "-D", str(unfinished), "template1"],
            given=f"CREATE DATABASE {DATABASE_NAME};\n",
        )
        unfinished.rename(self.folder)

    def _run(self, *command: str, given: str = "") -> None:
        done = subprocess.run(
            command,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            env=server_environment(),
            preexec_fn=before_exec(self.account, self.folder, signal.SIGKILL),
        )
        if done.returncode or "ERROR:" in done.stdout or "FATAL:" in done.stdout:
            raise EmbeddedServerError(f"{Path(command[0]).name} failed:\n{done.stdout.strip()}")

    def _end_leftovers(self) -> None:
        """End a postmaster whose keeper was killed; disarm a lock file that names somebody else's process.

        PostgreSQL takes any process of that number for its predecessor: after a restart of a container an
        innocent one, or one that is dead but not yet buried. It ignores its parent's number there, and still
        checks for the predecessor's shared memory: so the file gets ours.
        """
        path = self.folder / "postmaster.pid"
        try:
            first, rest = path.read_text(encoding="utf-8").split("\n", 1)
            pid = abs(int(first))  # negative for a single-user server
        except (FileNotFoundError, ValueError):
            return
        if str(self.folder) in command_line(pid):
            self._stop_leftover(pid)
        else:
            path.write_text(f"{os.getpid()}\n{rest}", encoding="utf-8")
            postgres_socket(self.data_dir).with_name(f".s.PGSQL.{POSTGRES_PORT}.lock").unlink(missing_ok=True)

    def _stop_leftover(self, pid: int) -> None:
        for request in self.stop_signals:
            _signal_all([pid], request)
            if wait_for_end(pid, timeout_s=_LEFTOVER_GRACE_S):
                return
        raise EmbeddedServerError(f"an earlier PostgreSQL (process {pid}) does not end")

    def _processes(self) -> list[int]:
        return processes_in(self.folder)


def tuning(*, durable: bool) -> dict[str, str | int]:
    """Settings for a laptop that does other things too; memory grows with the machine."""
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    settings: dict[str, str | int] = {
        "max_connections": 100,
        "shared_buffers": f"{_between(64, memory_mib // 8, 1024)}MB",
        "effective_cache_size": f"{_between(256, memory_mib // 2, 16384)}MB",
        "maintenance_work_mem": f"{_between(64, memory_mib // 16, 512)}MB",
        "work_mem": "16MB",
        "random_page_cost": "1.1",
        "jit": "off",
        "wal_level": "minimal",  # nobody replicates an embedded server
        "max_wal_senders": 0,
        "wal_compression": "on",
        "min_wal_size": "80MB",
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "unix_socket_permissions": "0700",
    }
    if _shared_memory_is_small():
        settings["dynamic_shared_memory_type"] = "mmap"
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return settings


def server_environment() -> dict[str, str]:
    """Nothing of ours: a PGDATA, PGHOST or locale of the user's would change what the server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"}


def _shared_memory_is_small() -> bool:
    """Containers give /dev/shm 64 MiB, less than one parallel index build asks for."""
    try:
        status = os.statvfs("/dev/shm")  # noqa: S108 - not a file of ours, PostgreSQL's own choice
    except OSError:
        return False
    return status.f_frsize * status.f_blocks < 1024 * MIB


def _character_locale() -> str:
    """A locale that knows the letters of UTF-8, under the name that this system gives it."""
    saved = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8"):
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                return name
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, saved)


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _signal_all(pids: list[int], request: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, request)
    time.sleep(0.1)
