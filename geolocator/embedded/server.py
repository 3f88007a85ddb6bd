"""What the keeper needs to know about a server."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Protocol

from .accounts import Account
from .errors import EmbeddedServerError
from .paths import lock_dir, log_dir

MIB = 1024 * 1024
KEEPER_MARK = " keeper: "
"""Begins the text of the keeper's own lines in its server's log, after the time."""

_ROTATE_LOG_AT = 5 * MIB


class Server(Protocol):
    """One kind of server in one data folder."""

    name: str
    data_dir: Path
    account: Account
    folder: Path
    """The server's own folder, which its account must reach."""
    stop_signals: tuple[signal.Signals, ...]
    """Polite first; each later one is sent when the one before did not help."""

    def prepare(self) -> None:
        """Make the folders and the first data, and end what an earlier crash left running."""

    def command(self) -> list[str]:
        """Program and arguments that run the server in the foreground."""

    def answers(self) -> bool:
        """Whether the server accepts connections now."""

    def recover(self, log: str, waited_s: float) -> bool:
        """After a failed start, with what it logged: mend what can be mended; whether to try again."""


def lock_path(server_name: str, data_dir: Path, role: str) -> Path:
    """`users` is held shared by whoever uses the server, `keeper` by the one process that runs it."""
    return lock_dir(data_dir) / f"{server_name}.{role}"


def log_path(server_name: str, data_dir: Path) -> Path:
    return log_dir(data_dir) / f"{server_name}.log"


def rotate_log(path: Path) -> None:
    """Put a long log aside, keeping one older one."""
    if path.exists() and path.stat().st_size > _ROTATE_LOG_AT:
        path.replace(path.with_suffix(".log.1"))


def make_private_folder(path: Path, account: Account) -> None:
    """A folder that only the server's account (and root) may enter; refuses one that is somebody else's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        status = path.lstat()
        if path.is_symlink() or status.st_uid not in {account.uid, os.geteuid()}:
            raise EmbeddedServerError(
                f"{path} belongs to another user (uid {status.st_uid}); run as that user, or choose another DATA_DIR"
            ) from None
    if account.changes:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)
