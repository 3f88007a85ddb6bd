"""What the environment says, and where it says nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from geolocator.environment import read_optional

SHOW = "from geolocator import settings; print(repr(settings.TILE_URL), settings.tile_origins())"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "'https://tile.openstreetmap.org/{z}/{x}/{y}.png' ['https://tile.openstreetmap.org']"),
        ({"TILE_URL": ""}, "'' []"),
        ({"TILE_URL": "https://{s}.example.org/{z}/{x}/{y}.png"}, "'https://{s}.example.org/{z}/{x}/{y}.png' ['https://*.example.org']"),
    ],
    ids=["unset", "none", "another"],
)  # fmt: skip
def test_the_maps_tiles(given, expected, tmp_path):
    clean = {name: value for name, value in os.environ.items() if name != "TILE_URL"}
    environment = {**clean, "DATA_DIR": str(tmp_path), **given}
    told = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == expected


def test_an_optional_text_may_be_empty(monkeypatch):
    monkeypatch.delenv("GEOLOCATOR_WORDS", raising=False)
    assert read_optional("GEOLOCATOR_WORDS", "some") == "some"
    monkeypatch.setenv("GEOLOCATOR_WORDS", " ")
    assert read_optional("GEOLOCATOR_WORDS", "some") == ""
