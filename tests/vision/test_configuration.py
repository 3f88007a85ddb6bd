"""The one value that says how vision is set up."""

from __future__ import annotations

from pathlib import Path

import pytest

from photos.vision import catalogue, configuration, registry, weights
from photos.vision.configuration import read_configuration
from photos.vision.errors import UnknownModelError, VisionError


def test_it_works(monkeypatch, tmp_path):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("SAM_MODEL_TYPE", "vit_h")
    monkeypatch.setenv("EXTRACT_GLOBAL_FEATURES", "no")
    found = configuration.current()
    assert (found.model_dir, found.sam_model_type, found.points_per_side) == (tmp_path, "vit_h", 0)
    assert not found.extract_global_features
    assert weights.model_dir() == tmp_path
    assert registry.default_segmenter("clip-vit-b-32-openai") == "sam-vit-h"
    assert registry.default_segmenter("classical-512") == "windows"


def test_the_sites_settings_are_the_configuration(settings, tmp_path):
    from photos.apps import vision_configuration

    settings.MODEL_DIR = tmp_path
    settings.POINTS_PER_SIDE = 7
    configuration.use(vision_configuration)  # conftest puts the environment's back
    assert (weights.model_dir(), configuration.current().points_per_side) == (tmp_path, 7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"POINTS_PER_SIDE": "many"}, "POINTS_PER_SIDE='many' is not a number"),
        ({"sam_model_type": "vit_x"}, r"'vit_x' \(SAM_MODEL_TYPE\).*vit_b, vit_l, vit_h"),
        ({"vision_engine": "abacus"}, r"'abacus' \(VISION_ENGINE\).*auto, torch, openvino"),
        ({"pred_iou_thresh": 1.5}, "PRED_IOU_THRESH=1.5 must be between 0 and 1"),
        ({"extract_global_features": "perhaps"}, "EXTRACT_GLOBAL_FEATURES='perhaps'"),
        ({"points": 3}, "unknown settings points; known: .*extract_global_features,"),
    ],
)
def test_it_rejects_what_cannot_be(values, message):
    with pytest.raises(VisionError, match=message):
        read_configuration(values)


def test_a_file_overrides_the_base_name_by_name():
    base = read_configuration({"points_per_side": 8, "model_dir": "/srv/models"})
    found = read_configuration({"POINTS_PER_SIDE": 16}, base=base)
    assert (found.points_per_side, found.model_dir) == (16, Path("/srv/models"))


def test_the_catalogue_knows_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    files = catalogue.files_for_space("clip-vit-b-32-openai", "sam-vit-b")
    assert [file.name for file in files] == ["ViT-B-32.pt", "sam_vit_b_01ec64.pth"]
    (tmp_path / "ViT-B-32.pt").touch()
    assert [file.name for file in catalogue.missing(files)] == ["sam_vit_b_01ec64.pth"]
    assert catalogue.files_of("classical-512") == ()
    assert catalogue.files_of("sam_vit_b_01ec64.pth") == catalogue.files_of("sam-vit-b")
    with pytest.raises(UnknownModelError, match="sam-vit-b"):
        catalogue.files_of("sam-vit-z")
