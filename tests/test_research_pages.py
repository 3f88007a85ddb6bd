"""The pages for researchers: every command that they show is run, on small data made here."""

from __future__ import annotations

import re

import numpy as np
import pytest
from django.core.management import call_command

from photos.vision.__main__ import main as vision
from photos.vision.interchange import feature_files
from search.evaluation.__main__ import main as evaluation
from tests.research_pages import PAGES, blocks, commands, make_data

TOLD = {
    "adaptation.md": r"mAP@1000 = \d",
    "datasets.md": r"roxford5k \(medium\): 1 queries\n  1 rankings are shorter than k = 10, .*\n\nmAP by trapezes = \d",
    "evaluation.md": r"difference = [-+]\d",
    "files.md": r"gallery\.faiss: 39 vectors",
    "masks.md": r"a\.jpg \(\(3\.0, 2\.0, 7\.0, 5\.0\),\) \(0\.5,\) \[12\]",
    "search.md": r"run\.json: 6 queries, 39 neighbours each of 39",
}


@pytest.fixture
def data(tmp_path, monkeypatch):
    make_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: list[str]) -> None:
    if words[:3] == ["python", "-m", "photos.vision"]:
        assert vision(words[3:]) == 0, words
    elif words[:3] == ["python", "-m", "search.evaluation"]:
        assert evaluation(words[3:]) == 0, words
    else:
        assert words[:2] == ["python", "manage.py"], words
        call_command(*words[2:])


def run_page(page: str) -> None:
    shown = blocks(page)
    assert shown, f"{page} shows nothing to run"
    for language, text in shown:
        if language == "python":
            exec(compile(text, page, "exec"), {})
        else:
            for words in commands(text):
                run(words)


@pytest.mark.parametrize("page", TOLD)
def test_the_commands_of_a_page_run(data, page, capsys):
    run_page(page)
    told = capsys.readouterr()
    assert re.search(TOLD[page], told.out)
    assert told.err == ""


def test_extraction_makes_the_files_that_its_page_names(data, capsys):
    run_page("extraction.md")
    names = sorted(path.name for path in (data / "extracted").glob("*.hdf5"))
    assert names == [
        "features_distractors_00000.hdf5",
        "features_distractors_00001.hdf5",
        "features_image_queries.hdf5",
        "features_positives.hdf5",
    ]
    ids, rows = feature_files.read_features(data / "extracted" / "features_distractors_00000.hdf5")
    assert ids[0] == "00000.tar/0000000000"
    assert rows.shape == (15, 512)
    chosen = sorted((data / "chosen").glob("*.parquet"))
    assert feature_files.read_features(chosen)[0] == ["00000.tar/0000000001", "00001.tar/0000000016"]


@pytest.mark.django_db
def test_vectors_go_out_of_the_site_and_into_another_space(data, capsys):
    from django.utils import timezone

    from photos import vectors
    from photos.models import Photo
    from photos.services import spaces

    space = spaces.ensure_default_space()
    rows = feature_files.read_features(data / "features" / "features_train.hdf5")[1][:3]
    photos = Photo.objects.bulk_create(
        Photo(image=f"{n}.jpg", sha256=f"{n:064x}", width=9, height=9, state="ready", indexed_at=timezone.now())
        for n in range(3)
    )
    wide = np.pad(rows, ((0, 0), (0, space.dimensions - rows.shape[1])))
    padded = {photo.pk: row for photo, row in zip(photos, wide, strict=True)}
    vectors.write_photo_vectors(space, padded)
    run_page("spaces.md")
    assert spaces.active_space().slug == "elsewhere"
    found, _ = vectors.read_vectors(spaces.active_space(), padded)
    assert {pk: vector.tolist() for pk, vector in found.items()} == {
        pk: vector.tolist() for pk, vector in vectors.read_vectors(space, padded)[0].items()
    }


def test_the_index_names_every_page():
    named = set(re.findall(r"\]\((\w+\.md)\)", (PAGES / "README.md").read_text(encoding="utf-8")))
    assert named == {path.name for path in PAGES.glob("*.md")} - {"README.md"}
