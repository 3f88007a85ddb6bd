"""Where the embedded servers keep their files. Pure functions: nothing is created here."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

POSTGRES_PORT = 5432
"""No TCP port is opened; PostgreSQL only names its socket file by it."""

DATABASE_NAME = "geolocator"
DATABASE_USER = "geolocator"

_LONGEST_SOCKET_PATH = 100  # sun_path holds 104 bytes on macOS and 108 on Linux, terminator included
_SAFE_PATH = re.compile(r"[A-Za-z0-9_./-]+")  # libpq and PostgreSQL split lists of hosts and folders at commas
_SHORT_BASE = Path("/tmp")  # noqa: S108 - not $TMPDIR: every command must find the same folder


def data_dir_from_environment() -> Path:
    """DATA_DIR as the settings read it."""
    return Path(os.environ.get("DATA_DIR", "").strip() or "data").expanduser().absolute()


def resolved(data_dir: Path) -> Path:
    """The one absolute name of a data folder, whatever links lead to it."""
    return Path(os.path.realpath(data_dir))


def lock_dir(data_dir: Path) -> Path:
    """The lock files by which processes agree who starts and who stops a server."""
    return resolved(data_dir) / "locks"


def log_dir(data_dir: Path) -> Path:
    """The servers' own logs."""
    return resolved(data_dir) / "logs"


def socket_dir(data_dir: Path) -> Path:
    """Folder of both servers' unix sockets: in the data folder, or a short hashed one in /tmp."""
    usual = resolved(data_dir) / "run"
    longest = str(usual / f".s.PGSQL.{POSTGRES_PORT}")
    if len(os.fsencode(longest)) <= _LONGEST_SOCKET_PATH and _SAFE_PATH.fullmatch(longest):
        return usual
    digest = hashlib.sha256(os.fsencode(resolved(data_dir))).hexdigest()[:16]
    return _SHORT_BASE / f"geolocator-{digest}"


def postgres_socket(data_dir: Path) -> Path:
    """PostgreSQL's unix socket file."""
    return socket_dir(data_dir) / f".s.PGSQL.{POSTGRES_PORT}"


def redis_socket(data_dir: Path) -> Path:
    """Redis' unix socket file."""
    return socket_dir(data_dir) / "redis.sock"
