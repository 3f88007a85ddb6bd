"""`owlv2+sam`: boxes by OWLv2 from a small checkpoint against transformers itself, masks by SAM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from photos.vision import catalogue, configuration, registry
from photos.vision.engines import get_engine
from photos.vision.errors import UnknownModelError, WeightsCorruptError, WeightsMissingError
from photos.vision.segmenters.owlv2 import Owlv2SamSegmenter
from photos.vision.segmenters.owlv2_model import Owlv2Detector, embed_prompts, load_owlv2
from photos.vision.segmenters.owlv2_weights import WEIGHTS
from photos.vision.segmenters.sam_weights import WEIGHTS as SAM_WEIGHTS
from tests.vision.checkpoints import write_small_sam
from tests.vision.owlv2_checkpoint import write_small_owlv2

SHAPE = (90, 140)


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """A folder of both checkpoints, and the detector that one was written from."""
    folder = tmp_path_factory.mktemp("models")
    write_small_sam(folder / SAM_WEIGHTS["vit_b"].name)
    return folder, write_small_owlv2(folder / WEIGHTS.name)


@pytest.fixture(autouse=True)
def model_folder(networks, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(networks[0]))
    monkeypatch.setenv("VISION_ENGINE", "torch")
    monkeypatch.setenv("MIN_SEGMENT_SIZE", "0.002")
    monkeypatch.setattr(registry, "_made", {})


def picture(seed=1, shape=SHAPE):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def padded(image):
    side = max(image.shape[:2])
    square = np.full((side, side, 3), 128, np.uint8)
    square[: image.shape[0], : image.shape[1]] = image
    return cv2.resize(square, (128, 128), interpolation=cv2.INTER_AREA)


def boxes_of_transformers(network, pixels, image, prompts=()):
    """Return every patch's corners in pixels and score, by transformers' own forward and post-processing."""
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import Owlv2ImageProcessor

    tokens = SimpleTokenizer(context_length=16)(list(prompts) or ["x"])
    with torch.no_grad():
        out = network(input_ids=tokens, pixel_values=pixels, attention_mask=(tokens != 0).long())
    if not prompts:
        out.logits = out.objectness_logits[..., None]
    (found,) = Owlv2ImageProcessor().post_process_object_detection(out, threshold=-1.0, target_sizes=[image.shape[:2]])
    return found["boxes"].numpy(), found["scores"].numpy()


def iou(one, other):
    left, top = np.maximum(one[:2], other[:2])
    right, bottom = np.minimum(one[2:], other[2:])
    shared = max(0.0, right - left) * max(0.0, bottom - top)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def greedily(boxes, scores, score_thresh, nms_thresh):
    """Non-maximum suppression written out."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] > score_thresh and all(iou(boxes[index], boxes[other]) <= nms_thresh for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("prompts", [(), ("a church", "the sea")], ids=["any", "prompts"])
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_boxes_are_those_of_transformers(networks, prompts, engine):
    image = picture()
    loaded = load_owlv2(networks[0] / WEIGHTS.name)
    detector = Owlv2Detector(loaded, get_engine(engine, precision="f32"), prompts=prompts)
    pixels = torch.from_numpy(detector._view.normalise([detector._fitted(image)]))
    expected, sure = boxes_of_transformers(networks[1], pixels, image, prompts)
    expected[:, 0::2] = expected[:, 0::2].clip(0, SHAPE[1])
    expected[:, 1::2] = expected[:, 1::2].clip(0, SHAPE[0])
    inside = (expected[:, 2:] - expected[:, :2] >= 1).all(axis=1)
    assert not inside.all()  # some are wholly in the grey
    expected, sure = expected[inside], sure[inside]
    cut = 0.2 if not prompts else float(np.quantile(sure, 0.6))
    boxes, scores = detector.detect(image, score_thresh=cut, nms_thresh=0.4)
    kept = greedily(expected, sure, cut, 0.4)
    assert 3 < len(kept) < (sure > cut).sum() < len(sure)
    assert boxes == pytest.approx(expected[kept], abs=0.02)
    assert scores == pytest.approx(sure[kept], abs=1e-4)
    assert (np.diff(scores) <= 0).all()


def test_pictures_are_padded_and_not_stretched(networks):
    detector = Owlv2Detector(networks[1], get_engine("torch", precision="f32"))
    wide, tall = picture(shape=(64, 128)), picture(shape=(128, 64))
    assert (detector._fitted(wide)[64:] == 128).all()
    assert (detector._fitted(wide)[:64] == wide).all()
    assert (detector._fitted(tall)[:, 64:] == 128).all()
    large = picture(shape=(300, 512))
    fitted = detector._fitted(large)
    assert np.abs(fitted.astype(int)[:74] - padded(large).astype(int)[:74]).mean() < 1.5


def test_masks_are_sams_for_the_boxes():
    segmenter: Any = registry.get_segmenter("owlv2+sam")
    sam = registry.get_segmenter("sam-vit-b")
    assert segmenter._sam is sam  # its weights are loaded once
    image = picture()
    found = segmenter.find_objects(image)
    assert len(found) > 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        assert one.segment.mask.shape == SHAPE
        assert one.segment.area == one.segment.mask.sum() > 0
    assert len(segmenter.find_objects(image, limit=2)) <= 2
    segments = segmenter.segment(image)
    assert 0 < len(segments) <= 10
    masks = [one.segment.mask for one in found]
    assert all(any((one.mask == mask).all() for mask in masks) for one in segments)


def test_a_picture_without_objects_has_no_segments(monkeypatch):
    monkeypatch.setenv("OWLV2_THRESH", "1")
    assert Owlv2SamSegmenter().segment(picture()) == []
    assert Owlv2SamSegmenter().find_objects(picture()) == []


def test_prompts_come_from_the_configuration(monkeypatch):
    monkeypatch.setenv("OWLV2_THRESH", "0")
    any_object = Owlv2SamSegmenter().detect(picture())[1]
    monkeypatch.setenv("OWLV2_PROMPTS", "church, tower")
    assert configuration.current().owlv2_prompts == ("church", "tower")
    assert not np.array_equal(Owlv2SamSegmenter().detect(picture())[1], any_object)


def test_prompts_are_read_without_regard_to_case(networks):
    found = embed_prompts(networks[1], ["A Church", "a church", "the sea"])
    assert torch.allclose(found[0], found[1])
    assert not torch.allclose(found[0], found[2], atol=1e-3)


def test_it_is_known_with_both_files():
    assert [file.name for file in catalogue.files_of("owlv2+sam")] == [WEIGHTS.name, SAM_WEIGHTS["vit_b"].name]
    assert catalogue.find_model("owlv2+sam-vit-h").weights[1] == SAM_WEIGHTS["vit_h"]
    with pytest.raises(UnknownModelError, match=r"'owlv2\+sam-vit-x'.*owlv2\+sam-vit-h"):
        Owlv2SamSegmenter("owlv2+sam-vit-x")


def test_it_tells_missing_and_wrong_weights(networks, monkeypatch, tmp_path):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    with pytest.raises(WeightsMissingError, match=r"sam_vit_b_01ec64\.pth"):
        Owlv2SamSegmenter()
    (tmp_path / SAM_WEIGHTS["vit_b"].name).symlink_to(networks[0] / SAM_WEIGHTS["vit_b"].name)
    with pytest.raises(WeightsMissingError, match=r"owlv2-base-patch16-ensemble\.safetensors.*huggingface"):
        Owlv2SamSegmenter()
    save_file({"x": torch.ones(1)}, tmp_path / WEIGHTS.name)
    with pytest.raises(WeightsCorruptError, match="does not hold the weights of OWLv2"):
        Owlv2SamSegmenter()


def test_the_scores_cut_is_a_setting():
    base = configuration.current()
    configuration.use(lambda: replace(base, owlv2_thresh=0.9))
    few = Owlv2SamSegmenter().detect(picture())[0]
    configuration.use(lambda: replace(base, owlv2_thresh=0.05))
    assert len(Owlv2SamSegmenter().detect(picture())[0]) > len(few)
