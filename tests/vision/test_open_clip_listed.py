"""Encoders of open_clip's own list, by setting, from small checkpoints in their formats."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from photos.vision import catalogue, registry
from photos.vision.__main__ import main
from photos.vision.configuration import read_configuration
from photos.vision.encoders import open_clip_models
from photos.vision.encoders.open_clip_build import build_clip
from photos.vision.encoders.open_clip_listed import register_open_clip
from photos.vision.errors import UnknownModelError, VisionError
from photos.vision.torchvision_cpu import prepare_torchvision
from tests.vision.checkpoints import enliven, write_small_siglip

NAME = "ViT-B-16:laion2b_s34b_b88k"
SLUG = "open-clip-vit-b-16-laion2b-s34b-b88k"
FILE = "ViT-B-16-laion2b_s34b_b88k.safetensors"


@pytest.fixture(autouse=True)
def own_registry(monkeypatch, tmp_path):
    for name in ("_ENCODERS", "_made"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
    known = dict(open_clip_models.MODELS)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("VISION_ENGINE", "torch")
    yield
    open_clip_models.MODELS.clear()
    open_clip_models.MODELS.update(known)


def write_small_network(path, *, width=64, dimensions=512, **vision):
    """Write a CLIP as open_clip's own files are: safetensors of plain names; return the network."""
    prepare_torchvision()
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    text = CLIPTextCfg(context_length=16, vocab_size=49408, width=64, heads=1, layers=1)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        shape = CLIPVisionCfg(width=width, layers=2, patch_size=16, image_size=64, **vision)
        network = CLIP(dimensions, shape, text).eval()
    enliven(network)
    save_file({name: one.contiguous() for name, one in network.state_dict().items() if name != "attn_mask"}, path)
    return network


def picture():
    return np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_it_works_by_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("OPEN_CLIP_MODELS", f"{NAME},")
    network = write_small_network(tmp_path / FILE)
    assert {SLUG, f"{SLUG}+mi"} <= set(registry.encoder_slugs())
    spec = registry.get_spec(SLUG)
    assert (spec.dimensions, spec.input_size, spec.has_text) == (512, 224, True)
    assert spec.weights[0].url == (
        "https://huggingface.co/laion/CLIP-ViT-B-16-laion2B-s34B-b88K/resolve/main/open_clip_model.safetensors"
    )
    assert registry.default_segmenter(SLUG) == "sam-vit-b"
    encoder: Any = registry.get_encoder(SLUG)
    view = encoder._vision.view
    assert view.size == 64
    with torch.no_grad():
        expected = network.visual(torch.from_numpy(view.normalise([view.show(picture())])))[0]
        words = network.encode_text(encoder._tokenize(["the sea"]))[0]
    (found,) = encoder.encode([picture()])
    assert functional.cosine_similarity(torch.from_numpy(found), expected, dim=0) > 0.99999
    assert functional.cosine_similarity(torch.from_numpy(encoder.encode_text(["the sea"])[0]), words, dim=0) > 0.99999


def test_it_is_found_by_its_slug_alone(monkeypatch):
    monkeypatch.setenv("OPEN_CLIP_MODELS", NAME)
    assert catalogue.find_model(f"{SLUG}+mi").weights[0].name == FILE
    assert catalogue.find_model(f"{SLUG}+mi-20-0.5").weights[0].name == FILE


def test_it_is_listed_at_the_command_line(monkeypatch, capsys):
    monkeypatch.setenv("OPEN_CLIP_MODELS", NAME)
    assert main(["models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "512 d with sam-vit-b" in lines[SLUG]
    assert "weights of unknown size" in lines[SLUG]
    assert "354 MB of weights" in lines["clip-vit-b-32-openai"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ViT-B-16:laion2b_s34b_b88x", r"_b88x' .* did you mean ViT-B-16:laion2b_s34b_b88k"),
        ("ViT-B-61:openai", r"did you mean .*ViT-B-16:openai"),
        ("zzzz:qqqq", r"open_clip knows no 'zzzz:qqqq' \(OPEN_CLIP_MODELS\)$"),
        ("roberta-ViT-B-32:laion2b_s12b_b32k", "text tower, roberta-base, is another library's"),
    ],
)  # fmt: skip
def test_it_rejects_what_open_clip_does_not_know(monkeypatch, capsys, value, message):
    with pytest.raises(UnknownModelError, match=message):
        register_open_clip(*value.split(":"))
    monkeypatch.setenv("OPEN_CLIP_MODELS", value)
    assert main(["models"]) == 1
    assert capsys.readouterr().err.startswith(("open_clip knows no", f"'{value.split(':')[0]}' is not supported"))


@pytest.mark.parametrize("value", ["ViT-B-16", "ViT-B-16:", "a:b:c"])
def test_it_rejects_what_is_no_pair(value):
    with pytest.raises(VisionError, match=r"OPEN_CLIP_MODELS has '.*'; write name:tag"):
        read_configuration({"OPEN_CLIP_MODELS": value})


def test_a_bad_name_does_not_harm_the_built_in_ones(monkeypatch):
    monkeypatch.setenv("OPEN_CLIP_MODELS", "zzzz:qqqq")
    assert registry.get_spec("clip-vit-b-32-openai").dimensions == 512


def test_what_the_weights_do_not_tell_is_of_the_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("OPEN_CLIP_MODELS", "ViT-bigG-14:laion2b_s39b_b160k")
    network = write_small_network(
        tmp_path / "ViT-bigG-14-laion2b_s39b_b160k.safetensors",
        width=104,
        dimensions=1280,
        head_width=104,
        mlp_ratio=4.9231,
    )
    encoder: Any = registry.get_encoder("open-clip-vit-bigg-14-laion2b-s39b-b160k")
    view = encoder._vision.view
    with torch.no_grad():
        expected = network.visual(torch.from_numpy(view.normalise([view.show(picture())])))[0]
    assert functional.cosine_similarity(torch.from_numpy(encoder.encode([picture()])[0]), expected, dim=0) > 0.99999


def test_siglips_tokenizer_is_a_file_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("OPEN_CLIP_MODELS", "ViT-B-16-SigLIP-256:webli")
    slug = "open-clip-vit-b-16-siglip-256-webli"
    spec = registry.get_spec(slug)
    assert [file.name for file in spec.weights] == [
        "ViT-B-16-SigLIP-256-webli.safetensors",
        "ViT-B-16-SigLIP-256.tokenizer.json",
    ]
    write_small_siglip(tmp_path, name="ViT-B-16-SigLIP-256")
    (tmp_path / "ViT-B-16-SigLIP-256.safetensors").rename(tmp_path / spec.weights[0].name)
    encoder: Any = registry.get_encoder(slug)
    assert encoder.encode_text(["a photo of the bridge"]).shape == (1, 768)
    assert encoder.encode([picture()])[0].shape == (768,)


def siglip_of_open_clip(name):
    """Return open_clip's own network of that name, with one layer of text."""
    import open_clip

    config = open_clip.get_model_config(name)
    return open_clip.CustomTextCLIP(
        config["embed_dim"], config["vision_cfg"], config["text_cfg"] | {"layers": 1}, init_logit_bias=-10
    )


def heads_of(network):
    attentions = (network.visual.trunk.blocks[0].attn, network.visual.trunk.attn_pool)
    return [one.num_heads for one in (*attentions, network.text.transformer.resblocks[0].attn)]


def test_every_siglip_of_the_list_is_built_as_open_clips(monkeypatch):
    """With its activations, heads and epsilons, which no weight shows; of one block, without memory for weights."""
    prepare_torchvision()
    import open_clip
    import timm

    monkeypatch.setattr(timm, "create_model", functools.partial(timm.create_model, depth=1, weight_init="skip"))
    listed = [(name, tag) for name, tag in open_clip.list_pretrained() if "SigLIP" in name]
    assert {"ViT-B-32-SigLIP2-256", "ViT-SO400M-16-SigLIP-i18n-256", "ViT-gopt-16-SigLIP2-384"} <= dict(listed).keys()
    for name, tag in listed:
        with torch.device("meta"):
            expected = siglip_of_open_clip(name)
            found: Any = build_clip(register_open_clip(name, tag), dict(expected.state_dict()))
        assert str(found.visual.trunk) == str(expected.visual.trunk), name
        assert str(found.text) == str(expected.text), name
        assert heads_of(found) == heads_of(expected), name
        assert {key: one.shape for key, one in found.state_dict().items()} == {
            key: one.shape for key, one in expected.state_dict().items()
        }, name


def test_towers_without_a_known_tokenizer_describe_pictures_only(monkeypatch):
    model = register_open_clip("ViT-B-16-SigLIP2-256", "webli")
    assert not model.spec.has_text
    assert len(model.spec.weights) == 1


def test_what_cannot_be_inverted_has_no_such_space(monkeypatch):
    monkeypatch.setenv("OPEN_CLIP_MODELS", "RN50:yfcc15m")
    assert "open-clip-rn50-yfcc15m" in registry.encoder_slugs()
    assert "open-clip-rn50-yfcc15m+mi" not in registry.encoder_slugs()
    with pytest.raises(UnknownModelError, match="unknown encoder"):
        registry.get_spec("open-clip-rn50-yfcc15m+mi-20-0.5")
