"""When `up` starts the switch to SAM and CLIP: at once, when weights arrive, and every hour."""

from __future__ import annotations

import sys
from typing import Any, cast

import pytest

from geolocator.models_part import ModelsPart
from geolocator.supervisor import Part, Supervisor
from photos.services import model_news
from photos.services.model_news import ModelNews
from photos.vision import catalogue, registry, weights


@pytest.fixture
def clock(monkeypatch, settings, tmp_path):
    """A clock to be set, an empty folder of models, and the switch asked for."""
    settings.DATA_DIR, settings.MODEL_DIR, settings.MODELS_AUTO = tmp_path, tmp_path / "models", True
    settings.MODEL_DIR.mkdir()
    now = [1000.0]
    monkeypatch.setattr("geolocator.models_part.time.monotonic", lambda: now[0])
    return now


def supervised(tmp_path) -> tuple[Supervisor, list[Any]]:
    """A supervisor that is never run, and its parts."""
    supervisor = Supervisor(folder=tmp_path, environment={}, output=sys.stderr)
    return supervisor, cast("list[Any]", supervisor._running)


def test_it_is_begun_at_once_and_again_every_hour(clock, tmp_path):
    supervisor, parts = supervised(tmp_path)
    part = ModelsPart(supervisor)
    part.look()
    assert [one.part.command for one in parts] == [["manage.py", "models", "auto"]]
    clock[0] += 4000
    part.look()
    assert len(parts) == 1  # it runs still
    parts.clear()
    part.look()
    assert len(parts) == 1
    parts.clear()
    clock[0] += 3000
    part.look()
    assert parts == []
    clock[0] += 700
    part.look()
    assert len(parts) == 1


def test_it_is_begun_again_when_weights_arrive(clock, tmp_path):
    supervisor, parts = supervised(tmp_path)
    part = ModelsPart(supervisor)
    part.look()
    parts.clear()
    file = catalogue.files_of(registry.default_segmenter("clip-vit-b-32-openai"))[0]
    weights.path_of(file).write_bytes(b"copied here")
    clock[0] += 6
    part.look()
    assert len(parts) == 1


def test_it_waits_for_the_sample_and_stops_when_it_is_done(clock, tmp_path):
    supervisor, parts = supervised(tmp_path)
    part = ModelsPart(supervisor)
    supervisor.add(Part("sample", ["manage.py", "create_sample"], once=True))
    part.look()
    assert not supervisor.has("models")
    parts.clear()
    model_news.tell(ModelNews("done", "clip-vit-b-32-openai"))
    part.look()
    assert parts == []


def test_it_is_not_begun_where_it_is_turned_off(clock, tmp_path, settings):
    settings.MODELS_AUTO = False
    supervisor, parts = supervised(tmp_path)
    ModelsPart(supervisor).look()
    assert parts == []
