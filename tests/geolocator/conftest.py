"""Servers of a test's own, apart from the ones that the other tests run on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from geolocator.embedded import ensure_servers
from geolocator.embedded.commands import CHILD_MARK
from geolocator.embedded.paths import DATABASE_NAME, DATABASE_USER, socket_dir

PROJECT = Path(__file__).resolve().parents[2]
NOT_OURS = {"DATABASE_URL", "REDIS_URL", "DATA_DIR", "SECRET_KEY", "MEDIA_ROOT", "PORT", "HOST", CHILD_MARK}


@pytest.fixture
def new_data_dir() -> Iterator[Path]:
    """A data folder to be, that any user may reach, whose servers are gone after the test."""
    with tempfile.TemporaryDirectory(prefix="geolocator-own-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name) / "data"
        end_processes_of(Path(name))


@pytest.fixture(scope="session")
def pattern() -> Iterator[Path]:
    """A data folder in which the servers have run once."""
    with tempfile.TemporaryDirectory(prefix="geolocator-pattern-") as name:
        Path(name).chmod(0o755)
        ensure_servers(Path(name) / "data", durable=False).close()
        yield Path(name) / "data"


@pytest.fixture
def data_dir(new_data_dir: Path, pattern: Path) -> Path:
    """A copy of it: quicker than a new cluster for every test."""
    (new_data_dir / "postgres").mkdir(parents=True)
    subprocess.run(["cp", "-Rp", str(pattern / "postgres/18"), str(new_data_dir / "postgres/18")], check=True)
    if (pattern / "postgres/server").exists():
        (new_data_dir / "postgres/server").symlink_to(pattern / "postgres/server")
    return new_data_dir


def processes_of(folder: Path) -> dict[int, str]:
    """Command lines, by process id, of what names this folder."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,stat=,command="], capture_output=True, text=True, check=True
    )
    found = {}
    for line in listing.stdout.splitlines():
        pid, state, command = line.split(None, 2)
        if str(folder) in command and not state.startswith("Z"):
            found[int(pid)] = command
    return found


def end_processes_of(folder: Path) -> None:
    for pid in processes_of(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def process_id(folder: Path, *words: str) -> int:
    """The one process of a folder whose command line has all these words."""
    found = [pid for pid, command in processes_of(folder).items() if all(word in command for word in words)]
    assert len(found) == 1, f"expected one process with {words}, found {found}"
    return found[0]


def connect(data_dir: Path) -> psycopg.Connection:
    return psycopg.connect(host=str(socket_dir(data_dir)), user=DATABASE_USER, dbname=DATABASE_NAME, autocommit=True)


def wait_until(condition: Callable[[], object], *, timeout_s: float = 20.0) -> None:
    """Wait for something to become true; what it raises on the way does not count."""
    deadline = time.monotonic() + timeout_s
    while True:
        error: Exception | None = None
        try:
            if condition():
                return
        except Exception as exc:  # noqa: BLE001 - whatever goes wrong now may go right in a moment
            error = exc
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s") from error
        time.sleep(0.05)


def own_environment(**more: str) -> dict[str, str]:
    """The environment without the addresses of this run's servers, and without switching models unless asked."""
    return {name: value for name, value in os.environ.items() if name not in NOT_OURS} | {"MODELS_AUTO": "no"} | more
