"""Several processes under one parent: readable logs, restarts, and an end without orphans."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

_LOOK_EVERY_S = 0.2
_STOP_GRACE_S = 8.0
_HEALTHY_AFTER_S = 60.0
_LONGEST_PAUSE_S = 30.0
_ATTEMPTS = 4
_COLOURS = (36, 32, 35, 33, 34)


@dataclass(frozen=True)
class Part:
    """One process to run."""

    name: str
    command: list[str]
    """What `geolocator.lifeline` runs: a module or a `.py` file, and its arguments."""
    once: bool = False
    """Whether it is done when it ends, rather than started again."""
    pass_fds: tuple[int, ...] = ()
    on_success: Callable[[], None] | None = None


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    reader: threading.Thread | None = None
    started_at: float = 0.0
    failures: int = 0
    next_start: float = field(default=0.0)


class Supervisor:
    """Runs its parts until it is told to stop. Not to be used twice."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str], output: IO[str] | None = None) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._output = output or sys.stdout
        self._printing = threading.Lock()
        self._running: list[_Running] = []
        self._lifeline, self._our_end = os.pipe()
        self._stopping = threading.Event()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def add(self, part: Part) -> None:
        """Run one more part, from the next look on."""
        self._running.append(_Running(part))

    def has(self, name: str) -> bool:
        """Say whether a part of that name runs, or is to be started again."""
        return any(running.part.name == name for running in self._running)

    def say(self, name: str, line: str) -> None:
        """Print one line under a name, in the manner of the parts' own lines."""
        prefix = f"{name:<11} | "
        if self._output.isatty():
            prefix = f"\033[{_COLOURS[sum(name.encode()) % len(_COLOURS)]}m{prefix}\033[0m"
        with self._printing, contextlib.suppress(BrokenPipeError):
            self._output.write(f"{prefix}{line}\n")
            self._output.flush()

    def request_stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        self._stopping.set()

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Ctrl-C, a closed terminal and SIGTERM ask for a clean stop."""
        requests = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        saved = [(request, signal.signal(request, self.request_stop)) for request in requests]
        try:
            yield
        finally:
            for request, handler in saved:
                signal.signal(request, handler)

    def run(self, *, every_look: Callable[[], None]) -> None:
        """Until a stop is requested: keep the parts running and call `every_look` a few times a second."""
        try:
            while not self.stopping:
                for running in list(self._running):
                    self._look_after(running)
                every_look()
                self._stopping.wait(_LOOK_EVERY_S)
        finally:
            self.stop()

    def stop(self) -> None:
        """End every part: politely at first, and whatever is left of its processes at last."""
        self.say("up", "Stopping")
        alive = [running for running in self._running if running.process is not None]
        for running in alive:
            _signal_group(running, signal.SIGTERM, leader_only=True)
        deadline = time.monotonic() + _STOP_GRACE_S
        for running in alive:
            self._wait_or_kill(running, deadline)
        os.close(self._our_end)
        os.close(self._lifeline)
        self._running.clear()

    def _look_after(self, running: _Running) -> None:
        if running.process is None:
            if time.monotonic() >= running.next_start:
                self._start(running)
            return
        status = running.process.poll()
        if status is None:
            return
        _signal_group(running, signal.SIGKILL)  # children that it left behind
        _join(running.reader)
        running.process = None
        if running.part.once and status == 0:
            self._running.remove(running)
            if running.part.on_success:
                running.part.on_success()
        elif running.part.once and running.failures + 1 >= _ATTEMPTS:
            self._running.remove(running)
            self.say(running.part.name, f"{_how_it_ended(status)}; given up until the next start")
        else:
            self._plan_restart(running, status)

    def _plan_restart(self, running: _Running, status: int) -> None:
        """At once after a long life, and after growing pauses while it keeps ending."""
        if time.monotonic() - running.started_at > _HEALTHY_AFTER_S:
            running.failures = 0
        pause_s = min(_LONGEST_PAUSE_S, 0.5 * 2**running.failures)
        running.failures += 1
        running.next_start = time.monotonic() + pause_s
        self.say(running.part.name, f"{_how_it_ended(status)}; starting again in {pause_s:g} s")

    def _start(self, running: _Running) -> None:
        part = running.part
        running.process = subprocess.Popen(
            [sys.executable, "-m", "geolocator.lifeline", *part.command],
            cwd=self._folder,
            env=self._environment,
            stdin=self._lifeline,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=part.pass_fds,
            start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor to pass on
        )
        running.started_at = time.monotonic()
        running.reader = threading.Thread(target=self._relay, args=(part.name, running.process.stdout), daemon=True)
        running.reader.start()

    def _relay(self, name: str, stream: IO[bytes]) -> None:
        for line in stream:
            text = line.decode(errors="replace").rstrip().rsplit("\r", 1)[-1]  # the last state of a progress bar
            if text:
                self.say(name, text)

    def _wait_or_kill(self, running: _Running, deadline: float) -> None:
        process = running.process
        if process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        _signal_group(running, signal.SIGKILL)
        process.wait()
        _join(running.reader)


def _how_it_ended(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def _signal_group(running: _Running, request: signal.Signals, *, leader_only: bool = False) -> None:
    """Signal a part's process, or all of its session."""
    if running.process is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS denies what is only a zombie
        if leader_only:
            os.kill(running.process.pid, request)
        else:
            os.killpg(running.process.pid, request)


def _join(thread: threading.Thread | None) -> None:
    if thread is not None:
        thread.join(1.0)
