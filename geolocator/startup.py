"""What a data folder needs before the site can answer: a schema, a space, an administrator."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from rest_framework.authtoken.models import Token

from geolocator.embedded.secrets import write_private
from photos.services.spaces import ensure_default_space

ADMINISTRATOR = "admin"
_MIGRATION_LOCK = 4_021_968_531  # any number of our own, the same for every process


@dataclass(frozen=True)
class Credentials:
    """What stands in `DATA_DIR/credentials.json`; an unknown password is empty."""

    url: str
    username: str
    password: str
    token: str


def prepare_database() -> int:
    """Bring the schema up to date and see that a space is active; how many migrations ran.

    Several processes may do this at once: one works, the others wait.
    """
    with _advisory_lock(_MIGRATION_LOCK):
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            call_command("migrate", interactive=False, verbosity=0)
        ensure_default_space()
    return len(plan)


def ensure_administrator(data_dir: Path, *, url: str) -> tuple[Credentials, bool]:
    """The administrator's credentials, and whether they are new.

    The file comes first: a crash between the two leaves a password that the next start gives to the account.
    """
    path = data_dir / "credentials.json"
    saved = _read(path)
    user = get_user_model().objects.filter(username=ADMINISTRATOR).first()
    credentials = replace(saved or _new_credentials(user), url=url)
    if credentials != saved:
        write_private(path, json.dumps(asdict(credentials), indent=2))
    if user is None:
        _create_administrator(credentials)
    return credentials, user is None


def _new_credentials(user: User | None) -> Credentials:
    """For a known user, whose file was lost: the same token, and no word about the password."""
    if user is None:
        return Credentials("", ADMINISTRATOR, secrets.token_urlsafe(12), secrets.token_hex(20))
    return Credentials("", ADMINISTRATOR, "", Token.objects.get_or_create(user=user)[0].key)


def _create_administrator(credentials: Credentials) -> None:
    with transaction.atomic():
        user = get_user_model().objects.create_superuser(
            username=credentials.username, password=credentials.password, email=""
        )
        Token.objects.create(user=user, key=credentials.token)


def _read(path: Path) -> Credentials | None:
    """The saved credentials; None where there is no such file, or an unreadable one."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
        return Credentials(**json.loads(path.read_text(encoding="utf-8")))
    return None


@contextmanager
def _advisory_lock(key: int) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [key])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
