"""The embedded servers for `manage.py`: started before a command that needs them, left after it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import EmbeddedServerError
from .paths import data_dir_from_environment
from .servers import ensure_servers

CHILD_MARK = "GEOLOCATOR_STARTED_BY_UP"
"""Set in the environment of processes whose parent looks after the servers."""

_NEED_NO_DATABASE = {
    "",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "startapp",
    "startproject",
    "up",  # starts them itself, with a word about it
    "version",
}


@contextmanager
def start_for_command(argv: list[str]) -> Iterator[None]:
    """Keep the servers running while one command runs; `argv` as in `sys.argv`.

    Those whose address DATABASE_URL or REDIS_URL gives are not ours to start. Ends the program with a message
    where a server does not start.
    """
    postgres, redis = missing_servers()
    if not (postgres or redis) or not _needs_servers(argv):
        yield
        return
    try:
        servers = ensure_servers(data_dir_from_environment(), postgres=postgres, redis=redis)
    except EmbeddedServerError as exc:
        sys.exit(f"error: {exc}")
    with servers:
        yield


def missing_servers() -> tuple[bool, bool]:
    """Whether PostgreSQL and Redis are ours to start."""
    return not os.environ.get("DATABASE_URL", "").strip(), not os.environ.get("REDIS_URL", "").strip()


def _needs_servers(argv: list[str]) -> bool:
    command = argv[1] if len(argv) > 1 else ""
    if os.environ.get(CHILD_MARK) or command.startswith("-") or {"-h", "--help"} & set(argv):
        return False
    if command == "check":
        return any(word.startswith("--database") for word in argv)
    return command not in _NEED_NO_DATABASE
