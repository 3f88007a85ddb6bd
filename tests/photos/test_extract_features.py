"""`manage.py extract_features`: the collection's vectors as files, and other models' of its pictures."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from photos import vectors
from photos.models import EmbeddingSpace
from photos.vision.interchange.feature_files import open_writer, read_features
from tests.research_pages import PAGES

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_works(add, index, tmp_path, capsys):
    photos = [add(seed) for seed in range(3)]
    for photo in photos[:2]:
        index(photo)
    call_command("extract_features", tmp_path, space="classical-512")
    ids, rows = read_features(tmp_path / "features_classical-512.hdf5")
    assert ids == [str(photo.uuid) for photo in photos[:2]]
    space = EmbeddingSpace.objects.get(slug="classical-512")
    stored, _segments = vectors.read_vectors(space, [photos[1].pk])
    assert np.array_equal(rows[1], stored[photos[1].pk])
    assert "2 vectors of classical-512, 1 photos have none yet" in capsys.readouterr().out
    with pytest.raises(CommandError, match="is finished already"):
        call_command("extract_features", tmp_path)


def test_segments_have_their_ranks_in_their_ids(add, index, tmp_path):
    photo = add(1)
    index(photo)
    call_command("extract_features", tmp_path, segments=True, format="parquet", dtype="float32")
    ids, rows = read_features(tmp_path / "features_classical-512_segments.parquet")
    assert ids == [f"{photo.uuid}/{rank}" for rank in range(9)]
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)


def test_segments_that_a_kill_cut_off_are_written_by_the_next_run(add, index, tmp_path):
    photos = [add(seed) for seed in range(2)]
    for photo in photos:
        index(photo)
    space = EmbeddingSpace.objects.get(slug="classical-512")
    path = tmp_path / "features_classical-512_segments.hdf5"
    _whole, parts = vectors.read_vectors(space, [photos[0].pk])
    with open_writer(path) as writer:  # as a kill leaves it: a photo's first three segments
        writer.append(
            [f"{photos[0].uuid}/{rank}" for rank in range(3)], [parts[photos[0].pk][rank] for rank in range(3)]
        )
    call_command("extract_features", tmp_path, segments=True)
    ids, _rows = read_features(path)
    assert ids == [f"{photo.uuid}/{rank}" for photo in photos for rank in range(9)]


def test_other_descriptors_of_the_same_pictures(add, index, tmp_path, capsys):
    photo = add(1)
    index(photo)
    call_command("extract_features", tmp_path, framework="classical")
    call_command("extract_features", tmp_path)
    (anew,), (stored,) = (
        read_features(tmp_path / f"features_{name}.hdf5")[1] for name in ("collection", "classical-512")
    )
    assert np.abs(anew - stored).max() < 2e-3  # the same but for the half precision
    assert "1 described" in capsys.readouterr().out


def test_the_commands_of_the_page_run(add, index, tmp_path, monkeypatch):
    index(add(1))
    monkeypatch.chdir(tmp_path)
    page = (PAGES / "extraction.md").read_text(encoding="utf-8")
    shown = re.findall(r"^python manage\.py (extract_features .*)$", page, re.MULTILINE)
    assert len(shown) == 3
    for line in shown:
        call_command(*shlex.split(line))
    assert len(list((tmp_path / "features").glob("features_*.[hp][da]*"))) == 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"space": "clip"}, "no space 'clip'; there are classical-512"),
        ({"space": "classical-512"}, "has no vectors, 1 photos have none yet"),
        ({"framework": "classical", "space": "classical-512"}, "describes whole photos anew"),
        ({"framework": "timm", "model": "vit_tiny_patch16_224"}, "--fetch"),
        ({"model": "clip-vit-l-14-openai"}, "leave --model out, or give a --framework"),
        ({"limit": 100}, "leave --limit out"),
        ({"scales": [0.7, 1.0]}, "leave --scales out"),
        ({"max_side": 0}, "leave --max-side out"),
        ({"engine": "ray"}, "leave --engine out"),
        ({"format": "json"}, "python -m photos.vision extract"),
    ],
)
def test_it_rejects_what_cannot_be(add, tmp_path, options, told):
    add(1)
    with pytest.raises(CommandError, match=told):
        call_command("extract_features", tmp_path, **options)
