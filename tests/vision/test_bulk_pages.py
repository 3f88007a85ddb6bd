"""The pages on extraction: those of their commands that take weights or a cluster, run on small data."""

from __future__ import annotations

import re
import shlex

import pytest

from photos.vision.__main__ import main
from photos.vision.interchange.ilias_hdf5 import feature_shape
from tests.photos.pictures import jpeg
from tests.research_pages import PAGES
from tests.vision.checkpoints import write_small_clip
from tests.vision.test_bulk_backbones import VIT, write_timm, write_transformers
from tests.vision.test_bulk_extraction import write_tar

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def lines(page: str) -> list[list[str]]:
    """Return the words of the vision commands that a page shows, without `python -m photos.vision`."""
    text = (PAGES / page).read_text(encoding="utf-8")
    found = [shlex.split(line) for block in _BLOCK.findall(text) for line in block.splitlines()]
    return [words[3:] for words in found if words[:3] == ["python", "-m", "photos.vision"]]


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    for number in range(2):
        write_tar(tmp_path / "tars" / f"{number:05}.tar", {f"{number}{one}.jpg": jpeg(one) for one in range(3)})
    (tmp_path / "mini_ilias_ids.txt").write_text("00,5\n12,5\n")
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(jpeg(number, size=(96, 72)))
    for name in ("query/Q001_00.jpg", "pos/P001_00.jpg"):
        path = tmp_path / "ilias_core" / "red_tower_001" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(jpeg(len(name), size=(96, 72)))
    (tmp_path / "ilias_core" / "red_tower_001" / "text").mkdir()
    (tmp_path / "ilias_core" / "red_tower_001" / "text" / "T001_00.txt").write_text("a red tower")
    write_small_clip(tmp_path / "models" / "ViT-B-32.pt")
    write_timm(tmp_path / "models" / f"timm-{VIT}.safetensors")
    write_transformers(tmp_path / "dinov2-small", "dinov2")
    return tmp_path


@pytest.mark.slow
def test_extraction(data, capsys):
    shown = lines("extraction.md")
    assert len(shown) == 12
    for words in shown:
        assert main(words) == 0, words
    assert sorted(path.name for path in (data / "features-ilias").glob("*.hdf5")) == [
        "features_distractors_00000.hdf5",
        "features_image_queries.hdf5",
        "features_positives.hdf5",
        "features_text_queries.hdf5",
    ]
    assert feature_shape(data / "features-mini" / "features_00000.hdf5") == (1, 512)
    assert feature_shape(data / "features-timm" / "features.hdf5") == (2, 192)
    assert feature_shape(data / "features-hf" / "features.hdf5") == (2, 48)
    assert (data / "descriptions" / "0.jpg.json").exists()


@pytest.mark.slow
def test_distributed(data, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (words,) = lines("distributed.md")
    assert main(words) == 0
    assert feature_shape(data / "features-ray" / "features_00000.hdf5") == (6, 512)


def test_every_option_that_the_pages_name_exists(capsys):
    with pytest.raises(SystemExit):
        main(["extract", "--help"])
    known = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    shown = (PAGES / "extraction.md").read_text() + (PAGES / "distributed.md").read_text().partition("A real cluster")[
        0
    ]
    foreign = {"--space", "--segments"}  # manage.py extract_features has these
    assert set(re.findall(r"--[a-z][a-z-]+", shown)) - foreign <= known
