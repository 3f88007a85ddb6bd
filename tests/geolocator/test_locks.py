from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from geolocator.embedded.locks import FileLock

from .conftest import PROJECT


def test_shared_locks_keep_an_exclusive_one_out(tmp_path):
    one, two, sole = (FileLock(tmp_path / "lock") for _ in range(3))
    assert one.acquire(shared=True)
    assert two.acquire(shared=True)
    assert not sole.acquire()
    one.release()
    assert not sole.acquire()
    two.release()
    assert sole.acquire()
    assert not one.acquire(shared=True, timeout_s=0.1)


def test_is_free_takes_nothing(tmp_path):
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.is_free()
    assert other.acquire()
    assert not lock.is_free()


def test_a_killed_process_gives_its_lock_back(tmp_path):
    code = (
        "import sys, time, pathlib; from geolocator.embedded.locks import FileLock;"
        "lock = FileLock(pathlib.Path(sys.argv[1])); print(lock.acquire(), flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    lock = FileLock(tmp_path / "lock")
    assert not lock.acquire()
    holder.send_signal(signal.SIGKILL)
    assert lock.acquire(timeout_s=5)
    holder.communicate()


def test_it_does_not_follow_links(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FileLock(tmp_path / "lock").acquire()
    assert not (tmp_path / "elsewhere").exists()
