"""Everything at once: the servers, the schema, the site and the workers."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from geolocator import startup
from geolocator.embedded import EmbeddedServerError, Servers, ensure_servers
from geolocator.embedded.commands import CHILD_MARK, missing_servers
from geolocator.embedded.locks import FileLock
from geolocator.embedded.news import News
from geolocator.embedded.paths import lock_dir
from geolocator.environment import read_int, read_text
from geolocator.models_part import ModelsPart
from geolocator.supervisor import Part, Supervisor
from photos.models import Photo
from photos.services import automatic_switch
from photos.services.spaces import advise_on_models
from photos.vision import configuration
from photos.vision.errors import VisionError

_WEB_OPTIONS = [
    *("--worker-class", "gthread", "--workers", "2", "--threads", "6"),
    *("--timeout", "120", "--graceful-timeout", "5", "--log-level", "warning", "--no-control-socket"),
]
_OLD_RUN_ENDS_S = 4.0  # what an `up` that was killed may still hold its port
_LOOK_AT_KEEPERS_EVERY_S = 1.0


class Command(BaseCommand):
    help = "Start Geolocator: PostgreSQL, Redis, the site and the workers. Ctrl-C stops them all."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = read_text("HOST", "127.0.0.1"), read_int("PORT", 8000, maximum=65535)
        require_sound_configuration()
        lock_dir(settings.DATA_DIR).mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_dir(settings.DATA_DIR) / "up")
        if not lock.acquire(timeout_s=1.0):
            where = lock.path.read_text(encoding="utf-8").strip()
            raise CommandError(f"Geolocator is already running on {settings.DATA_DIR}: {where or 'it is starting'}")
        try:
            with closing(listen(host, port)) as listener:
                url = address_of(listener)
                lock.path.write_text(f"{url}\n", encoding="utf-8")
                self._run(listener, url)
        finally:
            lock.path.write_text("", encoding="utf-8")
            lock.release()

    def _run(self, listener: socket.socket, url: str) -> None:
        postgres, redis = missing_servers()
        environment = {
            **os.environ,
            CHILD_MARK: "1",
            "DATA_DIR": str(settings.DATA_DIR),
            "PYTHONUNBUFFERED": "1",
        }
        supervisor = Supervisor(folder=settings.BASE_DIR, environment=environment)
        supervisor.say("up", f"Everything is kept in {settings.DATA_DIR}")
        with supervisor.stopped_by_signals(), self._servers(supervisor, postgres=postgres, redis=redis) as servers:
            _Site(supervisor, servers, listener, url).run()
        supervisor.say("up", "Stopped")

    def _servers(self, supervisor: Supervisor, *, postgres: bool, redis: bool) -> Servers:
        began = time.monotonic()
        if postgres or redis:
            supervisor.say("up", "Starting PostgreSQL and Redis")
        try:
            servers = ensure_servers(settings.DATA_DIR, postgres=postgres, redis=redis)
        except EmbeddedServerError as exc:
            raise CommandError(str(exc)) from exc
        if postgres or redis:
            supervisor.say("up", f"They answer after {time.monotonic() - began:.1f} s")
        return servers


class _Site:
    """The site and its workers, once the servers run."""

    def __init__(self, supervisor: Supervisor, servers: Servers, listener: socket.socket, url: str) -> None:
        self._supervisor = supervisor
        self._servers = servers
        self._listener = listener
        self._url = url
        self._news = News(settings.DATA_DIR)
        self._answers = False
        self._sample_state = settings.DATA_DIR / "sample-state"
        self._next_look = 0.0
        self._models = ModelsPart(supervisor)

    def run(self) -> None:
        migrations = startup.prepare_database()
        if migrations:
            self._supervisor.say("up", f"The database got {migrations} migrations")
        self._credentials, self._is_new = startup.ensure_administrator(settings.DATA_DIR, url=self._url)
        if not self._sample_state.exists() and not Photo.objects.exists():
            self._sample_state.write_text("wanted\n", encoding="utf-8")
        self._advice = "" if automatic_switch.is_wanted() else advise_on_models()
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns where it is missing
        connections["default"].close()
        with suppress(AttributeError):
            connections["default"].close_pool()  # type: ignore[attr-defined]
        self._add_parts()
        self._supervisor.run(every_look=self._look)

    def _add_parts(self) -> None:
        handle = self._listener.fileno()
        web = ["gunicorn", "geolocator.wsgi:application", "--bind", f"fd://{handle}", *_WEB_OPTIONS]
        self._supervisor.add(Part("web", web, pass_fds=(handle,)))
        for queue in ("interactive", "index"):
            self._supervisor.add(Part(queue, ["manage.py", "work", queue]))

    def _look(self) -> None:
        if not self._answers and answers(self._url):
            self._answers = True
            self._announce()
            self._plan_sample()
        if self._answers:
            self._models.look()
        for name, text in self._news.read():
            self._supervisor.say(name, text)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_AT_KEEPERS_EVERY_S
            self._look_at_keepers()

    def _announce(self) -> None:
        say = partial(self._supervisor.say, "up")
        path = settings.DATA_DIR / "credentials.json"
        say(f"Geolocator answers at {self._url}")
        if self._is_new:
            say(f"Administrator: {self._credentials.username}, password: {self._credentials.password}")
            say(f"The password and an API token are kept in {path}")
        else:
            say(f"Administrator: {self._credentials.username}; the password is in {path}")
        if self._advice:
            self._supervisor.say("models", self._advice)
        say("Ctrl-C stops everything")

    def _plan_sample(self) -> None:
        """On an empty database, and again where an earlier run did not get through."""
        if self._sample_state.exists() and "wanted" in self._sample_state.read_text(encoding="utf-8"):
            command = ["manage.py", "create_sample"]
            self._supervisor.add(Part("sample", command, once=True, on_success=self._remember_sample))

    def _remember_sample(self) -> None:
        self._sample_state.write_text("made\n", encoding="utf-8")

    def _look_at_keepers(self) -> None:
        if self._servers.keepers_are_alive():
            return
        self._supervisor.say("up", "a server lost its keeper; starting it again")
        try:
            self._servers.ensure()
        except EmbeddedServerError as exc:
            self._supervisor.say("up", str(exc))


def require_sound_configuration() -> None:
    """Say at once, rather than by workers that cannot start, that a setting of vision is wrong."""
    try:
        configuration.current()
    except VisionError as exc:
        raise CommandError(str(exc)) from exc


def listen(host: str, port: int) -> socket.socket:
    """The site's socket, bound before anything else so that a taken port is said at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + _OLD_RUN_ENDS_S
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=128)
        except PermissionError as exc:
            raise CommandError(f"port {port} needs more rights; set PORT=… to one above 1023") from exc
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise CommandError(f"cannot listen on HOST={host} PORT={port}: {exc.strerror or exc}") from exc
            if time.monotonic() >= deadline:
                raise CommandError(f"port {port} is taken; set PORT=… to a free one") from exc
        time.sleep(0.2)


def address_of(listener: socket.socket) -> str:
    """The site's URL as a browser on this machine reaches it."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    return f"http://[{address}]:{port}/" if address.version == 6 else f"http://{address}:{port}/"


def answers(url: str) -> bool:
    """Whether the site answers anything at all."""
    try:
        with urllib.request.urlopen(f"{url}healthz", timeout=0.5):  # noqa: S310 - our own http address
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
