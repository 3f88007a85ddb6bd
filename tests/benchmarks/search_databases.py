"""A database per collection in the benchmark's own server, and a process per database, as the app has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from geolocator.embedded.paths import DATABASE_NAME, DATABASE_USER, redis_socket, socket_dir


def run_on(module: str, argument: str, database: str, folder: Path) -> dict[str, Any]:
    """Run `python -m MODULE ARGUMENT FOLDER` on a database, made where there is none; return its last line's JSON."""
    _make_database(database, folder)
    process = subprocess.Popen(
        [sys.executable, "-m", module, argument, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={**os.environ, **_environment(database, folder)},
    )
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        if last:
            print(last, end="", flush=True)
        last = line
    if process.wait():
        print(last, end="", flush=True)
        raise SystemExit(f"{module} {argument} failed with status {process.returncode}")
    figures: dict[str, Any] = json.loads(last)
    return figures


def _environment(database: str, folder: Path) -> dict[str, str]:
    host = quote(str(socket_dir(folder)), safe="")
    return {
        "DATABASE_URL": f"postgres://{DATABASE_USER}@{host}/{database}",
        "REDIS_URL": f"unix://{redis_socket(folder)}?db=0",
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "geolocator.settings",
        "LOCATE_RATE": "1000000/min",
        "LOG_LEVEL": "WARNING",
    }


def _make_database(name: str, folder: Path) -> None:
    address = f"postgres://{DATABASE_USER}@{quote(str(socket_dir(folder)), safe='')}/{DATABASE_NAME}"
    with psycopg.connect(address, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
