"""The supervised worker: killed, starved, told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from geolocator.embedded.binaries import redis_server
from photos.models import Photo, PhotoState
from photos.services import collection
from tests.photos.pictures import jpeg
from tests.photos.workers import is_running, running_worker, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def ready() -> int:
    return Photo.objects.filter(state=PhotoState.READY).count()


def test_a_killed_child_is_replaced_and_the_end_is_quick(space, add, media_root, tmp_path):
    with running_worker(media_root, tmp_path / "log") as worker:
        first = worker.child()
        add(1)
        wait_until(lambda: ready() == 1, timeout_s=40)
        call_command("work", "index", check=True)
        os.kill(first, signal.SIGKILL)
        add(2)
        wait_until(lambda: ready() == 2, timeout_s=40)
        second = worker.child()
        assert second != first
        began = time.monotonic()
        assert worker.terminate(timeout_s=10) == 0, worker.log()
        assert time.monotonic() - began < 8
        assert not is_running(second)


def test_the_child_ends_with_its_parent(space, add, media_root, tmp_path):
    with running_worker(media_root, tmp_path / "log") as worker:
        child = worker.child()
        add(1)
        wait_until(lambda: ready() == 1, timeout_s=40)
        assert worker.process is not None
        os.kill(worker.process.pid, signal.SIGKILL)
        wait_until(lambda: not is_running(child), timeout_s=10)


def start_redis(socket: Path) -> subprocess.Popen[bytes]:
    options = [
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(socket.parent),
    ]
    process = subprocess.Popen([redis_server(), *options], stdout=subprocess.DEVNULL)
    wait_until(socket.exists, timeout_s=10)
    return process


def end_connections_of_others() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_it_outlives_redis_and_postgresql(space, media_root, tmp_path):
    """The worker has a Redis of its own, which goes and comes back empty; then its connections are cut."""
    redis = start_redis(tmp_path / "r")
    try:
        with running_worker(media_root, tmp_path / "log", REDIS_URL=f"unix://{tmp_path}/r?db=0") as worker:
            collection.add_photo(jpeg(1))
            wait_until(lambda: ready() == 1, timeout_s=40)
            child = worker.child()
            redis.kill()
            redis.wait()
            collection.add_photo(jpeg(2))
            time.sleep(1.5)
            assert ready() == 1
            (tmp_path / "r").unlink(missing_ok=True)
            redis = start_redis(tmp_path / "r")
            wait_until(lambda: ready() == 2, timeout_s=40)
            end_connections_of_others()
            collection.add_photo(jpeg(3))
            wait_until(lambda: ready() == 3, timeout_s=40)
            assert worker.child() == child, worker.log()
    finally:
        redis.kill()
        redis.wait()
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # its idle connections were cut, too


def test_a_health_check_sees_a_queue_that_nobody_serves():
    with pytest.raises(CommandError, match="no worker"):
        call_command("work", "interactive", check=True)
