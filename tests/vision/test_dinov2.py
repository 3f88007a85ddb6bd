"""DINOv2 from a small checkpoint in Meta's layout, and LoRA in PEFT's format against PEFT itself."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from photos.vision import registry
from photos.vision.encoders.dinov2 import DinoV2Encoder, add_lora, load_dinov2
from photos.vision.encoders.dinov2_spec import SPECS, VIEW
from photos.vision.encoders.inverted_spec import inverted
from photos.vision.encoders.lora import Lora, adapted, configured_lora, read_lora
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


def lora_from_peft(network, path, **options):
    """Adapt the network with PEFT, have it save the adapter as a folder and return its feature of a picture."""
    from peft import LoraConfig, get_peft_model

    with torch.random.fork_rng():
        torch.manual_seed(2)
        config = LoraConfig(
            r=4, lora_alpha=8, target_modules=r".*blocks.*(qkv|proj)", init_lora_weights=False, **options
        )
        tuned = get_peft_model(network, config).eval()
    tuned.save_pretrained(path)
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


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}], ids=["plain", "stabilised"])
def test_lora_is_added_as_peft_does(folder, tmp_path, options):
    expected = lora_from_peft(load_dinov2(folder / SPEC.weights[0].name, size=VIEW.size), tmp_path / "tuned", **options)
    lora = read_lora(tmp_path / "tuned")
    assert lora == Lora(tmp_path / "tuned" / "adapter_model.safetensors", 4, 8.0, bool(options))
    spec = adapted(SPEC, lora)
    assert spec.slug.startswith("dinov2-b-14+lora-4-8-rs-" if options else "dinov2-b-14+lora-4-8-")
    found = DinoV2Encoder(spec, lora=lora, engine=exact()).encode([picture()])[0]
    plain = DinoV2Encoder(SPEC, engine=exact()).encode([picture()])[0]
    assert functional.cosine_similarity(torch.from_numpy(some(found)), expected, dim=0) > 0.99999
    assert some(found) @ some(plain) < 0.9999


@pytest.fixture
def own_registry(monkeypatch):
    for name in ("_ENCODERS", "_made"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))


@pytest.mark.usefixtures("own_registry")
def test_lora_by_setting_makes_encoders_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("VISION_ENGINE", "torch")
    assert not [slug for slug in registry.encoder_slugs() if "lora" in slug]
    write_small_dinov2(tmp_path / "dinov2_vitb14_pretrain.pth", dimensions=768)
    network = load_dinov2(tmp_path / "dinov2_vitb14_pretrain.pth", size=VIEW.size)
    expected = lora_from_peft(network, tmp_path / "tuned")
    monkeypatch.setenv("DINOV2_LORA_WEIGHTS", str(tmp_path / "tuned"))
    plain, inverting = [slug for slug in registry.encoder_slugs() if "lora" in slug]  # none of dinov2-l-14's width
    assert plain.startswith("dinov2-b-14+lora-4-8-")
    assert inverting == f"{plain}+mi"
    assert registry.get_spec(plain).preprocessing.endswith(plain.removeprefix("dinov2-b-14+"))
    assert registry.default_segmenter(plain) == "sam-vit-b"
    found = some(registry.get_encoder(plain).encode([picture()])[0])
    assert functional.cosine_similarity(torch.from_numpy(found), expected, dim=0) > 0.999
    assert registry.get_spec(f"{plain}+mi-20-0.5") == inverted(registry.get_spec(plain), mi_steps=20, mi_alpha=0.5)
    monkeypatch.setenv("DINOV2_LORA_ALPHA", "16")
    assert registry.get_spec(plain.replace("-4-8-", "-4-16-")).slug != plain


@pytest.mark.usefixtures("own_registry")
def test_the_slug_alone_chooses_the_inversions_settings(monkeypatch):
    monkeypatch.setenv("VISION_ENGINE", "torch")
    for spec in (SPEC, inverted(SPEC)):
        registry.register_encoder(spec, "photos.vision.encoders.dinov2:DinoV2Encoder")
    segments = [segment_of(mask_of(Box(5, 5, 60, 40), SHAPE))]
    default, own = (registry.get_encoder(f"{SPEC.slug}+mi{settings}") for settings in ("", "-3-0.5"))
    found = some(own.encode_segments(picture(), segments)[0])
    direct = DinoV2Encoder(inverted(SPEC, mi_steps=3, mi_alpha=0.5), engine=exact())
    assert own.spec == direct.spec
    assert found @ some(direct.encode_segments(picture(), segments)[0]) > 0.9999
    assert found @ some(default.encode_segments(picture(), segments)[0]) < 0.99


def test_rank_and_alpha_of_a_bare_file_come_from_the_settings(tmp_path, monkeypatch):
    assert configured_lora() is None
    path = tmp_path / "a.safetensors"
    path.touch()
    monkeypatch.setenv("DINOV2_LORA_WEIGHTS", str(path))
    with pytest.raises(VisionError, match="set DINOV2_LORA_RANK and DINOV2_LORA_ALPHA"):
        configured_lora()
    monkeypatch.setenv("DINOV2_LORA_RANK", "8")
    monkeypatch.setenv("DINOV2_LORA_ALPHA", "4")
    assert configured_lora() == Lora(path, 8, 4.0)
    monkeypatch.setenv("DINOV2_LORA_RANK", "eight")
    with pytest.raises(VisionError, match="DINOV2_LORA_RANK"):
        configured_lora()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"r": 4, "lora_alpha": 8, "use_dora": True}, "uses use_dora, which is not supported"),
        ({"r": 4, "lora_alpha": 8, "rank_pattern": {"x": 2}}, "uses rank_pattern"),
        ({"r": 4, "lora_alpha": 8, "bias": "all"}, "trains biases"),
        ({"peft_type": "LOHA"}, "of the type 'LOHA'"),
        ({"r": 2, "lora_alpha": 8}, r"DINOV2_LORA_RANK=4, but .*adapter_config\.json says 2"),
        (None, "is no JSON"),
    ],
)
def test_it_rejects_adapters_of_another_kind(tmp_path, config, message):
    (tmp_path / "adapter_model.safetensors").touch()
    (tmp_path / "adapter_config.json").write_text("{" if config is None else json.dumps(config))
    with pytest.raises(VisionError, match=message):
        read_lora(tmp_path, rank=4)


def test_it_rejects_lora_that_does_not_fit(folder, tmp_path):
    network = load_dinov2(folder / SPEC.weights[0].name, size=VIEW.size)
    path = tmp_path / "adapter.safetensors"
    with pytest.raises(WeightsMissingError, match=r"adapter.*DINOV2_LORA_WEIGHTS.* are not there\. Copy"):
        read_lora(path, rank=4, alpha=8)
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


def test_an_adapted_space_needs_its_own_weights(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    spec = adapted(SPEC, Lora(tmp_path / "x", 4, 8))
    with pytest.raises(VisionError, match="DINOV2_LORA_WEIGHTS"):
        DinoV2Encoder(spec, engine=exact())
    (tmp_path / "y").write_bytes(b"y")
    with pytest.raises(WeightsCorruptError, match="is another adaptation"):
        DinoV2Encoder(spec, lora=Lora(tmp_path / "y", 4, 8), engine=exact())


def test_it_tells_missing_and_wrong_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    with pytest.raises(WeightsMissingError, match=r"dinov2_vitl14_pretrain\.pth"):
        DinoV2Encoder(SPECS["dinov2-l-14"])
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / SPEC.weights[0].name)
    with pytest.raises(WeightsCorruptError, match="does not hold the weights of DINOv2"):
        DinoV2Encoder(SPEC)
