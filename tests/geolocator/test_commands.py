"""Which commands bring servers along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from geolocator.embedded.commands import CHILD_MARK

from .conftest import PROJECT, own_environment, processes_of

ASK = "from django.db import connection; cursor = connection.cursor(); cursor.execute('SELECT 6 * 7');"
ASK += "print(cursor.fetchone()[0])"


def manage(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", *arguments],
        cwd=PROJECT,
        env=own_environment(DATA_DIR=str(data_dir), **environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_command_starts_what_it_needs_and_ends_it(data_dir):
    done = manage(data_dir, "shell", "-v", "0", "-c", ASK)
    assert done.stdout == "42\n", done.stderr
    assert processes_of(data_dir) == {}


def test_a_failing_command_ends_it_too(data_dir):
    done = manage(data_dir, "shell", "-v", "0", "-c", "raise SystemExit(3)")
    assert done.returncode == 3
    assert processes_of(data_dir) == {}


@pytest.mark.parametrize("words", [["help"], ["version"], ["check"], ["shell", "--help"], ["diffsettings"]])
def test_it_starts_nothing_for_commands_without_a_database(new_data_dir, words):
    done = manage(new_data_dir, *words)
    assert done.returncode == 0, done.stderr
    assert not (new_data_dir / "postgres").exists()


def test_a_child_of_up_starts_nothing(new_data_dir):
    done = manage(new_data_dir, "shell", "-v", "0", "-c", "print('ran')", **{CHILD_MARK: "1"})
    assert done.stdout == "ran\n", done.stderr
    assert not (new_data_dir / "postgres").exists()


def test_it_starts_nothing_where_both_addresses_are_given(new_data_dir):
    addresses = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = manage(new_data_dir, "shell", "-v", "0", "-c", "print('ran')", **addresses)
    assert done.stdout == "ran\n", done.stderr
    assert not (new_data_dir / "postgres").exists()


def test_it_says_why_it_cannot_start(data_dir):
    (data_dir / "postgres/18/postgresql.conf").write_text("nonsense = 1\n")
    done = manage(data_dir, "shell", "-v", "0", "-c", ASK)
    assert done.returncode == 1
    assert done.stderr.startswith("error: postgres did not start")
    assert "nonsense" in done.stderr
    assert "Traceback" not in done.stderr
