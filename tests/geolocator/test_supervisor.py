from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from geolocator.supervisor import Part, Supervisor

from .conftest import PROJECT, own_environment, processes_of, wait_until


class Running:
    """A supervisor at work in a thread, on programs in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = io.StringIO()
        environment = own_environment(PYTHONPATH=str(PROJECT), PYTHONUNBUFFERED="1")
        self.supervisor = Supervisor(folder=folder, environment=environment, output=self.output)
        self._thread = threading.Thread(target=self.supervisor.run, kwargs={"every_look": lambda: None})
        self._thread.start()

    def add(self, name: str, code: str, *, once: bool = False, on_success: object = None) -> None:
        path = self.folder / f"{name}.py"
        path.write_text(code)
        self.supervisor.add(Part(name, [str(path)], once=once, on_success=on_success))  # type: ignore[arg-type]

    def lines(self, name: str) -> list[str]:
        pairs = (line.split(" | ", 1) for line in self.output.getvalue().splitlines())
        return [text for who, text in pairs if who.strip() == name]

    def stop(self) -> float:
        began = time.monotonic()
        self.supervisor.request_stop()
        self._thread.join()
        return time.monotonic() - began


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()
    assert processes_of(tmp_path) == {}


def test_it_relays_lines_under_their_names(running):
    running.add("talker", "import time\nprint('one')\nprint('two\\rthree')\ntime.sleep(60)")
    wait_until(lambda: running.lines("talker") == ["one", "three"])


def test_it_starts_a_part_again(running):
    running.add("dying", "import os, sys\nprint(os.getpid())\nsys.exit(3)")
    wait_until(lambda: len({line for line in running.lines("dying") if line.isdigit()}) >= 2)
    assert "ended with status 3; starting again in 0.5 s" in running.lines("dying")
    wait_until(lambda: "ended with status 3; starting again in 1 s" in running.lines("dying"))


def test_it_names_the_signal_that_killed_a_part(running):
    running.add("killed", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    wait_until(lambda: any("was killed by SIGKILL" in line for line in running.lines("killed")))


def test_a_part_for_once_is_done_when_it_succeeds(running):
    done = threading.Event()
    running.add("once", "print('worked')", once=True, on_success=done.set)
    assert done.wait(20)
    time.sleep(0.5)
    assert running.lines("once") == ["worked"]


def test_a_part_for_once_is_repeated_until_it_succeeds(running):
    code = "import pathlib, sys\npath = pathlib.Path('tried')\nif path.exists(): sys.exit(0)\npath.touch()\nsys.exit(1)"
    done = threading.Event()
    running.add("once", code, once=True, on_success=done.set)
    assert done.wait(20)


def test_a_part_for_once_is_given_up_at_last(running):
    running.add("hopeless", "import sys; print('try'); sys.exit(1)", once=True)
    wait_until(lambda: "ended with status 1; given up until the next start" in running.lines("hopeless"))
    assert running.lines("hopeless").count("try") == 4


def test_it_kills_what_will_not_end(running):
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(60)"
    running.add("deaf", code)
    wait_until(lambda: running.lines("deaf") == ["deaf"])
    assert 7 < running.stop() < 10


def test_it_leaves_no_grandchild(running):
    code = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', str(pathlib.Path.cwd())])\n"
        "print(child.pid)\ntime.sleep(60)"
    )
    running.add("parent", code)
    wait_until(lambda: running.lines("parent"))
    running.stop()
    assert processes_of(running.folder) == {}


ALONE = """
import pathlib, sys
from geolocator.supervisor import Part, Supervisor
supervisor = Supervisor(folder=pathlib.Path(sys.argv[1]), environment={"PYTHONPATH": sys.argv[2]})
supervisor.add(Part("part", [sys.argv[1] + "/part.py"]))
supervisor.run(every_look=lambda: None)
"""


@pytest.mark.parametrize("deaf", [False, True])
def test_parts_end_when_the_supervisor_is_killed(tmp_path, deaf):
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else ""
    (tmp_path / "part.py").write_text(f"{ignore}import time\nprint('up', flush=True)\ntime.sleep(60)")
    supervisor = subprocess.Popen(
        [sys.executable, "-c", ALONE, str(tmp_path), str(PROJECT)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline().endswith("| up\n")
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.communicate()
    wait_until(lambda: processes_of(tmp_path) == {}, timeout_s=6)
