"""A small indexed town, and steady property tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import settings
from pytest_django import DjangoDbBlocker

if TYPE_CHECKING:
    from tests.search.town import Town

# the same examples every time, and the time that a busy machine gives them
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("steady")


@pytest.fixture(scope="module")
def built_town(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Town]:
    """Made once per module, inside a transaction around all its tests, of which each is one of its own."""
    from tests.search.town import build_town  # models can be imported once the settings are loaded

    with django_db_blocker.unblock(), transaction.atomic():
        yield build_town()
        transaction.set_rollback(True)


@pytest.fixture
def town(built_town: Town, db: None) -> Town:
    return built_town


@pytest.fixture
def curator_client(client: Client, db: None) -> Client:
    """A client that a curator has signed in with."""
    from django.contrib.auth.models import User

    client.force_login(User.objects.create_user("eve", is_staff=True))
    return client
