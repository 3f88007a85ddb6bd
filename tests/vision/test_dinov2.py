"""DINOv2 from a small checkpoint in Meta's layout, and LoRA in PEFT's format against PEFT itself."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from photos.vision.encoders.dinov2 import DinoV2Encoder, Lora, adapted, add_lora, load_dinov2
from photos.vision.encoders.dinov2_spec import SPECS, VIEW
from photos.vision.encoders.open_clip_models import inverted
from photos.vision.engines import get_engine
from photos.vision.errors import VisionError, WeightsCorruptError, WeightsMissingError
from photos.vision.masks import mask_of, segment_of
from photos.vision.types import Box
from tests.vision.checkpoints import write_small_dinov2

SPEC = replace(SPECS["dinov2-b-14"], dimensions=64)
SHAPE = (100, 140)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_small_dinov2(folder / SPEC.weights[0].name, dimensions=64)
    return folder


@pytest.fixture(autouse=True)
def model_folder(folder, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(folder))
    for name in ("DINOV2_LORA_WEIGHTS", "DINOV2_LORA_RANK", "DINOV2_LORA_ALPHA"):
        monkeypatch.delenv(name, raising=False)


def exact():
    return get_engine("torch", precision="f32")


def some(vector):
    assert vector is not None
    return vector


def picture(seed=1):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)


def lora_from_peft(folder, path):
    """Adapt the network with PEFT, write its matrices and return its feature of a picture."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    network = load_dinov2(folder / SPEC.weights[0].name, size=VIEW.size)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        config = LoraConfig(r=4, lora_alpha=8, target_modules=r".*blocks.*(qkv|proj)", init_lora_weights=False)
        tuned = get_peft_model(network, config).eval()
    save_file(get_peft_model_state_dict(tuned), path)
    with torch.no_grad():
        return tuned(torch.from_numpy(VIEW.normalise([VIEW.show(picture())])))[0]


def test_pictures_get_timms_vectors(folder):
    encoder = DinoV2Encoder(SPEC, engine=exact())
    found = [some(one) for one in encoder.encode([picture(1), picture(2)])]
    network = load_dinov2(folder / SPEC.weights[0].name, size=VIEW.size)
    pixels = torch.from_numpy(VIEW.normalise([VIEW.show(picture(1)), VIEW.show(picture(2))]))
    with torch.no_grad():
        expected = network(pixels)
    assert functional.cosine_similarity(torch.from_numpy(np.stack(found)), expected).min() > 0.99999
    assert found[0] @ found[1] < 0.999


def test_positions_are_resampled_for_smaller_pictures(folder):
    network = load_dinov2(folder / SPEC.weights[0].name, size=VIEW.size)
    assert network.pos_embed.shape == (1, 16 * 16 + 1, 64)


def test_segments_by_crops_and_by_inversion():
    segments = [segment_of(mask_of(Box(5, 5, 60, 40), SHAPE)), segment_of(mask_of(Box(80, 20, 50, 70), SHAPE))]
    plain = DinoV2Encoder(SPEC, engine=exact())
    whole, crops = plain.encode_all(picture(), segments)
    inverting = DinoV2Encoder(inverted(SPEC, mi_steps=5), engine=exact())
    again, parts = inverting.encode_all(picture(), segments)
    assert np.allclose(some(whole), some(again), atol=1e-5)
    assert len(crops) == len(parts) == 2
    assert some(parts[0]) @ some(parts[1]) < 0.9999
    assert some(crops[0]) @ some(crops[1]) < 0.9999


def test_lora_is_added_as_peft_does(folder, tmp_path):
    expected = lora_from_peft(folder, tmp_path / "adapter.safetensors")
    lora = Lora(tmp_path / "adapter.safetensors", rank=4, alpha=8)
    spec = adapted(SPEC, lora)
    assert spec.slug.startswith("dinov2-b-14+lora-4-8-")
    found = DinoV2Encoder(spec, lora=lora, engine=exact()).encode([picture()])[0]
    plain = DinoV2Encoder(SPEC, engine=exact()).encode([picture()])[0]
    assert functional.cosine_similarity(torch.from_numpy(some(found)), expected, dim=0) > 0.99999
    assert some(found) @ some(plain) < 0.9999


def test_lora_comes_from_the_environment(tmp_path, monkeypatch):
    assert Lora.from_environment() is None
    monkeypatch.setenv("DINOV2_LORA_WEIGHTS", str(tmp_path / "a.safetensors"))
    assert Lora.from_environment() == Lora(tmp_path / "a.safetensors", 16, 16.0)
    monkeypatch.setenv("DINOV2_LORA_RANK", "8")
    monkeypatch.setenv("DINOV2_LORA_ALPHA", "4")
    assert Lora.from_environment() == Lora(tmp_path / "a.safetensors", 8, 4.0)
    monkeypatch.setenv("DINOV2_LORA_RANK", "eight")
    with pytest.raises(VisionError, match="DINOV2_LORA_RANK"):
        Lora.from_environment()


def test_it_rejects_lora_that_does_not_fit(folder, tmp_path):
    network = load_dinov2(folder / SPEC.weights[0].name, size=VIEW.size)
    path = tmp_path / "adapter.safetensors"
    with pytest.raises(WeightsMissingError, match="adapter"):
        adapted(SPEC, Lora(path, 4, 8))
    save_file(
        {"blocks.0.attn.qkv.lora_A.weight": torch.ones(2, 64), "blocks.0.attn.qkv.lora_B.weight": torch.ones(9, 2)},
        path,
    )
    with pytest.raises(WeightsCorruptError, match=r"rank 2 .* expected 4"):
        add_lora(network, Lora(path, 4, 8))
    with pytest.raises(WeightsCorruptError, match="does not fit"):
        add_lora(network, Lora(path, 2, 8))
    save_file({"other": torch.ones(1)}, path)
    with pytest.raises(WeightsCorruptError, match="no LoRA matrices"):
        add_lora(network, Lora(path, 2, 8))


def test_an_adapted_space_needs_its_weights(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    spec = adapted(SPEC, Lora(tmp_path / "x", 4, 8))
    with pytest.raises(VisionError, match="DINOV2_LORA_WEIGHTS"):
        DinoV2Encoder(spec, engine=exact())


def test_it_tells_missing_and_wrong_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    with pytest.raises(WeightsMissingError, match=r"dinov2_vitl14_pretrain\.pth"):
        DinoV2Encoder(SPECS["dinov2-l-14"])
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / SPEC.weights[0].name)
    with pytest.raises(WeightsCorruptError, match="does not hold the weights of DINOv2"):
        DinoV2Encoder(SPEC)
