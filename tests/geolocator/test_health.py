from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.db import connection

from geolocator import health
from photos.models import EmbeddingSpace
from photos.services.spaces import ensure_default_space

from .conftest import PROJECT, own_environment


@pytest.fixture
def database(transactional_db):
    """Questions run in other threads, which see only what was committed."""
    ensure_default_space()


def test_healthz_asks_nobody(client):
    """The test has no right to a database, so asking it would fail."""
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_readyz_works(client, database):
    response = client.get("/readyz")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "ok"
    assert body["checks"]["space"] == {"ok": True, "active": django_settings.DEFAULT_SPACE}
    assert body["checks"]["migrations"] == {"ok": True, "unapplied": 0}
    assert body["checks"]["disk"]["free_bytes"] > 0
    assert "no-store" in response["Cache-Control"]


def test_readyz_is_degraded_without_redis(client, database, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["checks"]["redis"] == {"ok": False, "error": "ConnectionError"}


def test_readyz_needs_an_active_space(client, transactional_db):
    EmbeddingSpace.objects.all().delete()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["space"] == {"ok": False, "active": None}


def test_readyz_sees_a_missing_migration(client, database):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions' RETURNING app, name, applied")
        row = cursor.fetchone()
    try:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"]["migrations"] == {"ok": False, "unapplied": 1}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", row)


def test_readyz_sees_a_full_disk(client, database, monkeypatch):
    monkeypatch.setattr(health, "_LEAST_FREE_BYTES", 1 << 62)
    assert client.get("/readyz").status_code == 503


ASK = """
import json, time, django
django.setup()
from django.test import Client
client = Client()
for attempt in range(2):
    began = time.monotonic()
    response = client.get("/readyz", headers={"host": "localhost"})
    print(json.dumps([response.status_code, time.monotonic() - began, response.json()]), flush=True)
"""


@pytest.mark.parametrize("silent", [False, True], ids=["refusing", "silent"])
def test_readyz_answers_soon_without_a_database(tmp_path, silent):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if not silent:
            server.close()
        environment = own_environment(
            DATABASE_URL=f"postgres://somebody@{address}/geolocator",
            REDIS_URL=f"unix://{tmp_path}/nobody.sock",
            DATA_DIR=str(tmp_path),
        )
        command = [sys.executable, "-W", "ignore", "-c", ASK]
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        status, took_s, body = json.loads(line)
        assert status == 503
        assert took_s < 2
        assert body["status"] == "unavailable"
        assert body["checks"]["database"]["ok"] is False


def test_only_reading_is_allowed(client):
    assert client.post("/healthz").status_code == 405
    assert client.delete("/readyz").status_code == 405
