"""`manage.py statistics`, `manage.py reconcile`."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command

from photos.services import spaces

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_works(add, index, capsys):
    index(add(1))
    add(2, visibility="private")
    spaces.create_space("other", encoder="classical-512")
    capsys.readouterr()
    call_command("statistics", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["photos"], found["by_state"]["ready"], found["by_state"]["pending"]) == (2, 1, 1)
    by_slug = {space["slug"]: space for space in found["spaces"]}
    assert (by_slug["classical-512"]["photos"], by_slug["classical-512"]["remaining"]) == (1, 1)
    assert (by_slug["other"]["photos"], by_slug["other"]["remaining"]) == (0, 2)
    call_command("statistics")
    assert "classical-512 (active, 512 dimensions): 1 photos, 9 segments, 1 photos to go" in capsys.readouterr().out


def test_reconcile_tells_what_it_found(add, redis_connection, capsys):
    add(1)
    redis_connection.flushdb()
    call_command("reconcile")
    assert "photos: 1" in capsys.readouterr().out
