"""One real PostgreSQL with pgvector and one real Redis for the whole run, in a folder that goes with it.

Set DATABASE_URL and REDIS_URL to test against servers of your own. With pytest-xdist every worker has a
database of its own (by pytest-django) and a Redis database of its own.
"""

from __future__ import annotations

import copy
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
from django.conf import settings as django_settings
from pytest_django import Settings

from geolocator.embedded import Servers, ensure_servers
from geolocator.embedded.commands import missing_servers
from geolocator.embedded.paths import redis_socket

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
OWN_FOLDER = "GEOLOCATOR_TEST_FOLDER"
"""Tells xdist's workers, who inherit it, that the folder is made already."""


class Session:
    """The servers of this process, shared with the other processes of the same run."""

    def __init__(self) -> None:
        self.made_folder: Path | None = None
        self.servers: Servers | None = None

    def start(self, *, collect_only: bool) -> None:
        folder = self._folder()
        postgres, with_redis = missing_servers()
        if not collect_only:
            self.servers = ensure_servers(folder, postgres=postgres, redis=with_redis, durable=False)
        base = f"unix://{redis_socket(folder)}?db=0" if with_redis else os.environ["REDIS_URL"]
        os.environ["REDIS_URL"] = own_redis_database(base, WORKER)
        os.environ["DATA_DIR"] = str(folder)
        os.environ["DJANGO_SETTINGS_MODULE"] = "geolocator.settings"

    def stop(self) -> None:
        if self.servers is not None:
            self.servers.close()
        if self.made_folder is not None:
            shutil.rmtree(self.made_folder, ignore_errors=True)

    def _folder(self) -> Path:
        if OWN_FOLDER not in os.environ:
            self.made_folder = Path(tempfile.mkdtemp(prefix="geolocator-tests-"))
            self.made_folder.chmod(0o711)  # PostgreSQL does not run as root, and must reach its own folder inside
            (self.made_folder / "static").mkdir()  # WhiteNoise warns where it is missing
            os.environ[OWN_FOLDER] = str(self.made_folder)
        return Path(os.environ[OWN_FOLDER])


def own_redis_database(url: str, worker: str) -> str:
    """The address with the number of the worker's own database in it; gw0 takes 1."""
    if not worker:
        return url
    number = int(worker.removeprefix("gw")) + 1
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={number}"  # urlunsplit would drop the empty host's slashes
    return urlunsplit(parts._replace(path=f"/{number}"))


SESSION = Session()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, and load the settings, which need their addresses; pytest-django does the rest."""
    if not config.option.help:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave nothing behind after a time limit either
        SESSION.start(collect_only=config.option.collectonly)
        assert django_settings.DATABASES
        if getattr(config.option, "numprocesses", None):
            # xdist's workers inherit this, and would load the settings before they know their own Redis database
            del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure() -> None:
    SESSION.stop()


@pytest.fixture(autouse=True)
def media_root(settings: Settings, tmp_path: Path) -> Path:
    """Every test saves its files in a folder of its own."""
    folder = tmp_path / "media"
    storages = copy.deepcopy(settings.STORAGES)
    storages["default"].setdefault("OPTIONS", {})["location"] = folder
    settings.STORAGES = storages
    settings.MEDIA_ROOT = folder
    return folder


@pytest.fixture(scope="session")
def redis_connection() -> Iterator[redis.Redis]:
    """The Redis database of this test process."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as connection:
        yield connection


@pytest.fixture(autouse=True)
def empty_queues(request: pytest.FixtureRequest) -> None:
    """What another test left in the queues is no business of a test with a database."""
    if {"db", "transactional_db", "live_server"} & set(request.fixturenames):
        request.getfixturevalue("redis_connection").flushdb()


@pytest.fixture(autouse=True)
def no_partition_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test with real commits empties its tables, but the partitions of its spaces would stay for ever."""
    marker = request.node.get_closest_marker("django_db")
    commits = bool(marker and marker.kwargs.get("transaction")) or bool(
        {"transactional_db", "live_server"} & set(request.fixturenames)
    )
    if commits:
        request.getfixturevalue("transactional_db")
    yield
    if commits:
        drop_partitions()


def drop_partitions() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
        names = [name for (name,) in cursor.fetchall()]
        if names:
            cursor.execute(f"DROP TABLE {', '.join(names)}")
