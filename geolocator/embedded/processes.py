"""Ending our children, and looking at processes that are not ours, on Linux and macOS."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

_PROC = Path("/proc")
_STOP_GRACE_S = 8.0


def stop_process(process: subprocess.Popen[bytes], requests: tuple[signal.Signals, ...]) -> None:
    """End a child, politely at first: each later signal follows when the one before did not help."""
    for request in requests:
        process.send_signal(request)
        try:
            process.wait(_STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        return


def command_line(pid: int) -> str:
    """The command line of a running process, empty for one that is not there."""
    if Path("/proc/self/cmdline").exists():
        try:
            return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    listing = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout.strip()


def is_running(pid: int) -> bool:
    """Whether a process is there and not merely waiting for its parent to look at its end."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return bool(command_line(pid))


def wait_for_end(pid: int, *, timeout_s: float) -> bool:
    """Wait for a process that may be anybody's child."""
    deadline = time.monotonic() + timeout_s
    while is_running(pid):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def processes_in(folder: Path) -> list[int]:
    """Processes whose working folder this is; none where the system does not tell (outside Linux)."""
    found = []
    for entry in _PROC.glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found
