"""`masks`: a folder's objects as SoIR's file, stopped and taken up again."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from photos.vision import registry
from photos.vision.__main__ import main
from photos.vision.errors import UnknownModelError
from photos.vision.interchange.coco_json import read_coco
from photos.vision.interchange.soir_files import read_captions
from photos.vision.masks import box_of
from photos.vision.object_masks import mask_folder
from photos.vision.segmenters.owlv2_weights import WEIGHTS
from photos.vision.segmenters.sam_weights import WEIGHTS as SAM_WEIGHTS
from tests.vision.checkpoints import write_small_sam
from tests.vision.owlv2_checkpoint import write_small_owlv2

WIDTH, HEIGHT = 140, 90


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_small_sam(folder / SAM_WEIGHTS["vit_b"].name)
    write_small_owlv2(folder / WEIGHTS.name)
    return folder


@pytest.fixture
def pictures(models, monkeypatch, tmp_path):
    """Three pictures and a file that is none."""
    monkeypatch.setenv("MODEL_DIR", str(models))
    monkeypatch.setenv("VISION_ENGINE", "torch")
    monkeypatch.setattr(registry, "_made", {})
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "inner/c.png"), start=1):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_it_works(pictures, tmp_path, capsys):
    out = tmp_path / "out" / "captions.pt"
    assert main(["masks", str(pictures), str(out)]) == 0
    told = capsys.readouterr()
    found = read_captions(out)
    assert sorted(found) == ["a.png", "b.png", "inner/c.png"]
    assert "broken.jpg" in told.err
    total = sum(len(one.masks_rle) for one in found.values())
    assert f"{total} objects in 3 pictures, 0 of them there already, 1 refused" in told.out
    for one in found.values():
        assert one.size == (WIDTH, HEIGHT)
        assert len(one.boxes) == len(one.scores) == len(one.masks_rle) > 0
        assert list(one.scores) == sorted(one.scores, reverse=True)
        for (left, top, right, bottom), mask in zip(one.boxes, one.masks(), strict=True):
            assert 0 <= left < right <= WIDTH
            assert 0 <= top < bottom <= HEIGHT
            assert mask.shape == (HEIGHT, WIDTH)
            assert mask.any()


def test_the_same_objects_as_cocos_instances(pictures, tmp_path):
    assert main(["masks", str(pictures), str(tmp_path / "captions.pt"), "--limit", "2"]) == 0
    assert main(["masks", str(pictures), str(tmp_path / "instances.json"), "--limit", "2"]) == 0
    expected = read_captions(tmp_path / "captions.pt")
    found = read_coco(tmp_path / "instances.json")
    assert [(one.name, one.width, one.height) for one in found] == [(name, WIDTH, HEIGHT) for name in expected]
    for one in found:
        objects = expected[one.name]
        assert tuple(segment.predicted_iou for segment in one.segments) == objects.scores
        for segment, mask in zip(one.segments, objects.masks(), strict=True):
            np.testing.assert_array_equal(segment.mask, mask)
            assert segment.box == box_of(mask)


def test_it_goes_on_where_it_was_killed(pictures, tmp_path, capsys):
    out = tmp_path / "captions.pt"
    assert main(["masks", str(pictures), str(out)]) == 0
    whole, journal = read_captions(out), tmp_path / "captions.pt.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:2]) + lines[2][: len(lines[2]) // 2])  # killed while it wrote
    out.unlink()
    capsys.readouterr()
    assert main(["masks", str(pictures), str(out)]) == 0
    assert "3 pictures, 1 of them there already" in capsys.readouterr().out
    assert read_captions(out) == whole


def test_nothing_is_loaded_where_nothing_is_to_do(pictures, tmp_path, monkeypatch):
    assert main(["masks", str(pictures), str(tmp_path / "captions.pt")]) == 0
    (pictures / "broken.jpg").unlink()
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    registry.forget_made()
    assert main(["masks", str(pictures), str(tmp_path / "captions.pt")]) == 0


def test_other_settings_need_another_place(pictures, tmp_path, capsys):
    assert main(["masks", str(pictures), str(tmp_path), "--limit", "2"]) == 0
    assert all(len(one.masks_rle) <= 2 for one in read_captions(tmp_path / "captions.pt").values())
    assert main(["masks", str(pictures), str(tmp_path), "--prompts", "church"]) == 1
    assert "was made with other settings (limit, owlv2_prompts)" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--limit", "-1"], ["--engine", "abacus"]])
def test_it_rejects_what_cannot_be(pictures, tmp_path, arguments):
    assert main(["masks", str(pictures), str(tmp_path), *arguments]) == 1


def test_without_weights_it_says_what_to_do(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "empty"))
    assert main(["masks", str(pictures), str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "sam_vit_b_01ec64.pth" in told
    assert "download https://" in told
    with pytest.raises(UnknownModelError, match="finds no objects"):
        mask_folder(pictures, tmp_path / "x.pt", [], segmenter="regions")
