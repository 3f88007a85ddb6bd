"""Run a program that ends when its supervisor does.

`python -m geolocator.lifeline PROGRAM ARGUMENTS…` runs a module or a `.py` file in this process. The standard input
is the read end of a pipe whose other end only the supervisor holds: when that ends, however it ends, the pipe says
so. On Linux the kernel tells as well, should every thread here be busy.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
import threading
import time

_STDIN = 0
_GRACE_S = 2.0
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Run `arguments[0]` with the rest as its arguments."""
    threading.Thread(target=_end_with_supervisor, name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    sys.argv = arguments
    if arguments[0].endswith(".py"):
        runpy.run_path(arguments[0], run_name="__main__")
    else:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _end_with_supervisor() -> None:
    while os.read(_STDIN, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
