"""Networks of each framework, small and random, in the frameworks' own file formats."""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from photos.vision import weights
from photos.vision.bulk.backbones import load_backbone, load_text_backbone, model_files
from photos.vision.bulk.backbones import timm as timm_backbone
from photos.vision.bulk.backbones.open_clip import find_model
from photos.vision.bulk.recipe import MULTI_SCALE, Recipe
from photos.vision.bulk.resizing import Resizing
from photos.vision.errors import UnknownModelError, VisionError, WeightsCorruptError, WeightsMissingError
from photos.vision.images import read_image
from photos.vision.torchvision_cpu import prepare_torchvision
from tests.photos.pictures import jpeg
from tests.vision.checkpoints import enliven, write_small_clip, write_small_siglip

VIT = "vit_tiny_patch16_224"


@pytest.fixture(autouse=True)
def folder_of_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("VISION_ENGINE", "auto")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "models"


def picture(seed: int = 1, size: tuple[int, int] = (120, 90)):
    return read_image(jpeg(seed, size=size))


def write_timm(path, name: str = VIT, **options):
    """Write a random network of timm as its hub has it, classifier and all; return it."""
    prepare_torchvision()
    import timm
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = timm.create_model(name, pretrained=False, **options)
    enliven(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), path)
    return network.eval()


def write_transformers(folder, kind: str):
    """Write a small random model of transformers as `save_pretrained` does; return it."""
    prepare_torchvision()
    import transformers

    config: Any
    network: Any
    with torch.random.fork_rng():
        torch.manual_seed(4)
        if kind == "dinov2":
            config = transformers.Dinov2Config(
                hidden_size=48, num_hidden_layers=2, num_attention_heads=3, patch_size=14, image_size=56
            )
            network = transformers.Dinov2Model(config)
        else:
            small = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3}
            text = {**small, "vocab_size": 12, "max_position_embeddings": 8, "eos_token_id": 1, "pad_token_id": 1}
            vision = {**small, "image_size": 64, "patch_size": 16}
            config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)
            network = transformers.CLIPModel(config)
    enliven(network)
    network.save_pretrained(folder)
    colours = {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}
    (folder / "preprocessor_config.json").write_text(json.dumps(colours))
    return network.eval()


def write_tokenizer(folder) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = {word: number for number, word in enumerate(["<unk>", "</s>", "a", "red", "tower", "bridge"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "pad_token": "</s>"}))


def cosine(first, second) -> float:
    first, second = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def shown(recipe: Recipe, image, mean, std) -> torch.Tensor:
    """Return a picture as the network's input; no side of it needs padding to a patch."""
    one = recipe.resizing.show(image.pixels)
    return torch.from_numpy(recipe.resizing.normalise(one[None], mean=mean, std=std))


def describe(recipe: Recipe, *images):
    backbone = load_backbone(recipe)
    return backbone.describe(np.stack([backbone.prepare(one) for one in images]))


def test_timm_says_what_its_own_network_says(folder_of_weights):
    network = write_timm(folder_of_weights / f"timm-{VIT}.safetensors")
    recipe = Recipe("timm", VIT, resizing=Resizing("resize_large", 64))
    found = describe(recipe, picture(1), picture(2))
    assert found.shape == (2, 192)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    import timm

    other: Any = timm.create_model(VIT, num_classes=0, dynamic_img_size=True).eval()
    other.load_state_dict({key: one for key, one in network.state_dict().items() if not key.startswith("head.")})
    with torch.no_grad():
        expected = other(shown(recipe, picture(2), other.pretrained_cfg["mean"], other.pretrained_cfg["std"]))
    assert cosine(found[1], expected) > 0.999999
    assert cosine(found[0], found[1]) < 0.999


def test_sides_that_are_no_multiple_of_the_patch_are_padded(folder_of_weights):
    write_timm(folder_of_weights / f"timm-{VIT}.safetensors")
    resizing = Resizing("resize_large", 60)
    assert describe(Recipe("timm", VIT, resizing=resizing), picture(size=(100, 70))).shape == (1, 192)


@pytest.mark.parametrize("pooling", ["cls", "gap", "gem", "mac"])
def test_timm_pools_as_it_is_told(folder_of_weights, pooling):
    write_timm(folder_of_weights / f"timm-{VIT}.safetensors")
    resizing = Resizing("resize_center", 64)
    recipe = Recipe("timm", VIT, pooling=pooling, resizing=resizing)
    found = describe(recipe, picture())
    with torch.no_grad():
        network = timm_backbone.build(VIT, folder_of_weights / f"timm-{VIT}.safetensors")
        config = network.pretrained_cfg
        tokens = network.forward_features(shown(recipe, picture(), config["mean"], config["std"]))
    whole, parts = tokens[:, 0], tokens[:, 1:]
    expected = {
        "cls": whole,
        "gap": parts.mean(1),
        "mac": parts.amax(1),
        "gem": parts.clamp(min=1e-6).pow(3).mean(1) ** (1 / 3),
    }[pooling]
    assert cosine(found, expected) > 0.999  # in bf16 where the CPU has it


SWIN: dict[str, Any] = {"embed_dim": 24, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1), "num_classes": 0}


def small_swin():
    """Return a small random Swin of timm, whose features have their channels last."""
    prepare_torchvision()
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(3)
        network: Any = timm.create_model("swin_tiny_patch4_window7_224", **SWIN)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("pooling", ["gap", "gem", "mac"])
def test_timm_pools_features_whose_channels_are_last(pooling):
    network = small_swin()
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    parts = network.forward_features(pixels)
    assert parts.shape == (2, 7, 7, network.num_features)
    expected = {
        "gap": parts.mean((1, 2)),
        "mac": parts.amax((1, 2)),
        "gem": parts.clamp(min=1e-6).pow(3).mean((1, 2)) ** (1 / 3),
    }[pooling]
    found = timm_backbone.Pooled(network, pooling)(pixels)
    assert found.shape == (2, network.num_features)
    assert torch.allclose(found, expected, atol=1e-6)


def test_it_rejects_features_of_another_width_than_the_network_says():
    network = small_swin()
    network.output_fmt = "NCHW"
    with pytest.raises(VisionError, match=r"features, \(1, 7, 7, 192\), are not 192 wide"):
        timm_backbone.Pooled(network, "gap")(torch.zeros(1, 3, 224, 224))


def test_several_scales_are_averaged(folder_of_weights):
    write_timm(folder_of_weights / f"timm-{VIT}.safetensors")
    resizing = Resizing("resize_square", 64)
    recipe = Recipe("timm", VIT, resizing=resizing, scales=MULTI_SCALE)
    found = describe(recipe, picture())
    network = timm_backbone.build(VIT, folder_of_weights / f"timm-{VIT}.safetensors")
    config, vectors = network.pretrained_cfg, []
    for scale in MULTI_SCALE:
        pixels = shown(recipe, picture(), config["mean"], config["std"])
        if scale != 1:
            pixels = torch.nn.functional.interpolate(pixels, scale_factor=scale, mode="bicubic", align_corners=False)
        missing = -pixels.shape[2] % 16
        before, after = missing // 2, missing - missing // 2
        with torch.no_grad():
            vector = network(torch.nn.functional.pad(pixels, [before, after, before, after]))
        vectors.append(torch.nn.functional.normalize(vector, dim=-1))
    assert cosine(found, torch.stack(vectors).mean(0)) > 0.999
    assert cosine(found, vectors[1]) < 0.99999


def test_local_descriptors_lie_in_the_picture(folder_of_weights):
    write_timm(folder_of_weights / f"timm-{VIT}.safetensors")
    recipe = Recipe("timm", VIT, resizing=Resizing("resize_pad", 64), descriptors="local")
    backbone: Any = load_backbone(recipe)
    found, *_rest = backbone.describe_places(backbone.prepare(picture(size=(128, 64)))[None])
    assert found.vectors.shape == (8, 192)  # 4 x 4 patches, of which the upper and lower rows are padding
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    assert found.places[0].tolist() == [0.125, 0.25]
    assert found.places[-1].tolist() == [0.875, 0.75]


def test_clip_takes_any_size(folder_of_weights):
    from timm.layers.pos_embed import resample_abs_pos_embed

    network = write_small_clip(folder_of_weights / "ViT-B-32.pt")
    recipe = Recipe("open_clip", resizing=Resizing("resize_large", 128))
    found = describe(recipe, picture(), picture(2))
    visual: Any = network.visual
    view = find_model(recipe).view
    visual.positional_embedding.data = resample_abs_pos_embed(visual.positional_embedding[None].data, [6, 8])[0]
    with torch.no_grad():
        expected = visual(shown(recipe, picture(2), view.mean, view.std))
    assert found.shape == (2, 512)
    assert cosine(found[1], expected) > 0.9999


def test_clip_is_the_encoder_of_the_registry_at_its_own_size(folder_of_weights):
    from photos.vision.encoders.open_clip import OpenClipEncoder
    from photos.vision.registry import get_spec

    write_small_clip(folder_of_weights / "ViT-B-32.pt")
    image = picture(size=(64, 64))
    found = describe(Recipe("open_clip", resizing=Resizing("resize_center", 64)), image)
    expected = OpenClipEncoder(get_spec("clip-vit-b-32-openai")).encode([image.pixels])[0]
    assert cosine(found, expected) > 0.9999


def test_siglip_takes_any_size_and_texts(folder_of_weights):
    write_small_siglip(folder_of_weights)
    recipe = Recipe("open_clip", "siglip-b-16-384", resizing=Resizing("resize_large", 96))
    assert describe(recipe, picture()).shape == (1, 768)
    local: Any = load_backbone(dataclasses.replace(recipe, descriptors="local"))
    (found,) = local.describe_places(local.prepare(picture(size=(120, 80)))[None])
    assert found.vectors.shape == (24, 768)
    texts = load_text_backbone(dataclasses.replace(recipe, descriptors="text"))
    vectors = texts.describe_texts(["a photo of the bridge", "a photo of the sea"])
    assert vectors.shape == (2, 768)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert cosine(vectors[0], vectors[1]) < 0.9999


def test_a_folder_of_transformers(tmp_path):
    network = write_transformers(tmp_path / "dinov2", "dinov2")
    recipe = Recipe("transformers", str(tmp_path / "dinov2"), resizing=Resizing("resize_large", 56))
    found = describe(recipe, picture(size=(80, 40)))
    with torch.no_grad():
        pixels = shown(recipe, picture(size=(80, 40)), (0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
        expected = network(pixels).pooler_output
    assert cosine(found, expected) > 0.999999
    local: Any = load_backbone(dataclasses.replace(recipe, descriptors="local"))
    (parts,) = local.describe_places(local.prepare(picture(size=(80, 40)))[None])
    assert parts.vectors.shape == (8, 48)


def test_clip_of_transformers_with_its_texts(tmp_path):
    network = write_transformers(tmp_path / "clip", "clip")
    write_tokenizer(tmp_path / "clip")
    recipe = Recipe("transformers", str(tmp_path / "clip"), resizing=Resizing("resize_center", 96))
    assert describe(recipe, picture()).shape == (1, 32)
    texts = load_text_backbone(dataclasses.replace(recipe, descriptors="text"))
    found = texts.describe_texts(["a red tower", "a bridge"])
    with torch.no_grad():
        ids = torch.tensor([[2, 3, 4, 1, 1, 1, 1, 1]])
        mask = torch.tensor([[1, 1, 1, 1, 0, 0, 0, 0]])
        expected = network.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
    assert cosine(found[0], expected) > 0.999999
    assert np.array_equal(texts.describe_texts(["a bridge"])[0], found[1])
    assert texts.describe_texts([]).shape == (0, 32)


@pytest.mark.parametrize(
    ("recipe", "error", "told"),
    [
        (Recipe("timm", VIT), WeightsMissingError, "--fetch.*copy it to"),
        (Recipe("timm", "resnet51"), WeightsMissingError, "timm-resnet51"),
        (Recipe("open_clip", "clip"), UnknownModelError, "clip-vit-b-32-openai"),
        (Recipe("open_clip"), WeightsMissingError, "ViT-B-32.pt"),
        (Recipe("transformers", "facebook/dinov2-base"), WeightsMissingError, "facebook--dinov2-base/config.json"),
        (Recipe("transformers", "dinov2"), UnknownModelError, "no folder and no OWNER/NAME"),
        (Recipe("classical", "classical-1024"), UnknownModelError, "classical-512"),
    ],
)
def test_it_tells_what_is_missing(recipe, error, told):
    with pytest.raises(error, match=told):
        load_backbone(recipe)


def test_it_rejects_weights_of_another_network(folder_of_weights):
    write_timm(folder_of_weights / f"timm-{VIT}.safetensors", "resnet18")
    with pytest.raises(WeightsCorruptError, match="does not hold the weights of timm's vit_tiny"):
        load_backbone(Recipe("timm", VIT))
    (folder_of_weights / "empty").mkdir()
    with pytest.raises(WeightsCorruptError, match="no model that transformers can load"):
        load_backbone(Recipe("transformers", str(folder_of_weights / "empty")))


def test_openvino_needs_pictures_of_one_size(folder_of_weights, monkeypatch):
    write_timm(folder_of_weights / f"timm-{VIT}.safetensors")
    monkeypatch.setenv("VISION_ENGINE", "openvino")
    with pytest.raises(VisionError, match="OpenVINO runs networks at one size"):
        load_backbone(Recipe("timm", VIT))


def test_weights_are_fetched_from_the_hub(folder_of_weights, tmp_path, monkeypatch):
    served = tmp_path / "hub"
    write_timm(served / "timm" / VIT / "resolve" / "main" / "model.safetensors")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.setattr(timm_backbone, "HUB", f"http://127.0.0.1:{server.server_port}")
        recipe = Recipe("timm", VIT, resizing=Resizing("resize_center", 32))
        for file in model_files(recipe):
            weights.fetch(file)
        assert describe(recipe, picture()).shape == (1, 192)
    finally:
        server.shutdown()
        server.server_close()
