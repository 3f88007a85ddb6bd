from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.contrib.auth import authenticate
from rest_framework.authtoken.models import Token

from geolocator.startup import ensure_administrator, prepare_database

from .conftest import PROJECT, own_environment

URL = "http://127.0.0.1:8000/"
pytestmark = pytest.mark.django_db


def test_it_makes_an_administrator_with_a_token(tmp_path):
    credentials, is_new = ensure_administrator(tmp_path, url=URL)
    assert is_new
    user = authenticate(username=credentials.username, password=credentials.password)
    assert user is not None
    assert user.is_superuser
    assert Token.objects.get(user=user).key == credentials.token
    assert json.loads((tmp_path / "credentials.json").read_text()) == {
        "url": URL,
        "username": "admin",
        "password": credentials.password,
        "token": credentials.token,
    }


def test_it_changes_nothing_the_second_time(tmp_path):
    first, _ = ensure_administrator(tmp_path, url=URL)
    again, is_new = ensure_administrator(tmp_path, url=URL)
    assert (again, is_new) == (first, False)


def test_it_writes_down_a_new_address(tmp_path):
    ensure_administrator(tmp_path, url=URL)
    ensure_administrator(tmp_path, url="http://127.0.0.1:9000/")
    assert json.loads((tmp_path / "credentials.json").read_text())["url"] == "http://127.0.0.1:9000/"


def test_a_new_database_gets_the_saved_password(tmp_path, django_user_model):
    first, _ = ensure_administrator(tmp_path, url=URL)
    django_user_model.objects.all().delete()
    again, is_new = ensure_administrator(tmp_path, url=URL)
    assert (again, is_new) == (first, True)
    assert authenticate(username="admin", password=first.password)


def test_a_lost_file_does_not_change_the_password(tmp_path):
    first, _ = ensure_administrator(tmp_path, url=URL)
    (tmp_path / "credentials.json").unlink()
    again, is_new = ensure_administrator(tmp_path, url=URL)
    assert not is_new
    assert again.password == ""
    assert again.token == first.token
    assert authenticate(username="admin", password=first.password)


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"url": 1}'])
def test_an_unreadable_file_is_written_anew(tmp_path, content):
    (tmp_path / "credentials.json").write_text(content)
    credentials, _ = ensure_administrator(tmp_path, url=URL)
    assert authenticate(username="admin", password=credentials.password)


def test_a_prepared_database_is_left_alone(db):
    prepare_database()
    assert prepare_database() == 0


@pytest.mark.slow
def test_two_processes_prepare_one_database(data_dir):
    """Neither fails, and only one of them migrates."""
    code = "from geolocator.startup import prepare_database; print('ran', prepare_database())"
    command = [sys.executable, "-W", "ignore", "manage.py", "shell", "-v", "0", "-c", code]
    racing = [
        subprocess.Popen(
            command, cwd=PROJECT, env=own_environment(DATA_DIR=str(data_dir)), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    counts = sorted(int(process.communicate(timeout=120)[0].split()[-1]) for process in racing)
    assert counts[0] == 0
    assert counts[1] > 10
