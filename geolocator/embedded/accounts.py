"""As whom a server runs, and that it does not outlive the process that watches it."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedServerError

_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True)
class Account:
    """The user that a server runs as."""

    uid: int
    gid: int
    changes: bool
    """Whether it is another user than the one who starts it."""


def own_account() -> Account:
    return Account(os.geteuid(), os.getegid(), changes=False)


def postgres_account() -> Account:
    """Ourselves, or `nobody` for root: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return own_account()
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid, changes=True)


def before_exec(account: Account, reached: Path, death_signal: signal.Signals) -> Callable[[], None]:
    """What a forked child does before it becomes the server: change user, and die with its parent.

    Where the account may not pass through the folders above `reached` (a clone in /root, say), the
    child keeps the one capability that lets it, on Linux; elsewhere this is an error.
    """
    capability = _capability_to_reach(account, reached)
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def prepare() -> None:
        if account.changes:
            if libc and capability is not None:
                _call(libc.prctl, _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            if libc and capability is not None:
                _keep_capability(libc, capability)
        if libc:  # after the change of user, which would clear it
            libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)

    return prepare


def _capability_to_reach(account: Account, path: Path) -> int | None:
    if not account.changes or all(_may_pass(account, parent) for parent in path.parents):
        return None
    if sys.platform == "linux":
        for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
            if _own_capabilities() >> capability & 1:
                return capability
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root, and the user 'nobody', as whom it is started instead, "
        f"may not enter {path}. Choose a DATA_DIR that every user may enter, or start as an ordinary user."
    )


def _may_pass(account: Account, folder: Path) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _own_capabilities() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _keep_capability(libc: ctypes.CDLL, capability: int) -> None:
    """Keep one capability, and no other, through exec (capabilities(7), "Ambient").

    setuid left them all, by the secure bit set before it; without that bit access(2) would not heed this one.
    """
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low_and_high = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable
    _call(libc.capset, header, low_and_high)
    _call(libc.prctl, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments):
        raise OSError(ctypes.get_errno(), "could not keep the capability to enter the data folder")
