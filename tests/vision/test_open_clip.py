"""CLIP and SigLIP from small checkpoints in the official formats, against open_clip itself."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from photos.vision import registry
from photos.vision.describe import describe_image
from photos.vision.encoders import vision_tower
from photos.vision.encoders.class_token import only_what_is_read
from photos.vision.encoders.inverted_spec import inverted, settings_of
from photos.vision.encoders.open_clip import InvertingOpenClipEncoder, OpenClipEncoder, model_of
from photos.vision.encoders.open_clip_models import MODELS
from photos.vision.engines import get_engine
from photos.vision.errors import UnknownModelError, WeightsCorruptError, WeightsMissingError
from photos.vision.mask_inversion import invert_masks
from photos.vision.masks import mask_of, segment_of
from photos.vision.types import Box, SegmentMask
from tests.vision.checkpoints import write_small_clip, write_small_siglip

CLIP = MODELS["clip-vit-b-32-openai"].spec
SIGLIP = replace(MODELS["siglip-b-16-384"].spec, dimensions=64)
"""As wide as the small checkpoint."""
SHAPE = (90, 120)


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """A folder of small models and the networks they were written from."""
    folder = tmp_path_factory.mktemp("models")
    return folder, {
        CLIP.slug: write_small_clip(folder / "ViT-B-32.pt"),
        SIGLIP.slug: write_small_siglip(folder, dimensions=64),
    }


@pytest.fixture(autouse=True)
def model_folder(networks, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(networks[0]))


@pytest.fixture(scope="session")
def encoders(networks):
    """Each encoder on each engine, made once."""
    made = {}

    def get(spec, engine="torch", kind=OpenClipEncoder):
        key = (spec.slug, engine)
        if key not in made:
            made[key] = kind(spec, engine=get_engine(engine, precision="f32"))
        return made[key]

    return get


def picture(seed=1):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)


def segments():
    rows, columns = np.indices(SHAPE)
    disc = (rows - 45) ** 2 + (columns - 80) ** 2 < 900
    return [segment_of(mask_of(Box(10, 5, 40, 60), SHAPE)), segment_of(disc), segment_of(~disc)]


class Drawn:
    """A segmenter that finds the drawn segments."""

    slug = "drawn"

    def segment(self, _image):
        return segments()


@pytest.mark.parametrize("spec", [CLIP, SIGLIP], ids=lambda spec: spec.slug)
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_pictures_get_the_vectors_of_open_clip(encoders, networks, spec, engine):
    encoder = encoders(spec, engine)
    images = [picture(seed) for seed in (1, 2, 3)]
    found = np.stack(encoder.encode(images))
    view = encoder._vision.view
    pixels = torch.from_numpy(view.normalise([view.show(image) for image in images]))
    network = networks[1][spec.slug]
    with torch.no_grad():
        expected = (network.visual.trunk if spec is SIGLIP else network.visual)(pixels)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found.shape == (3, spec.dimensions)
    assert found.dtype == np.float32
    assert functional.cosine_similarity(torch.from_numpy(found), expected).min() > 0.99999
    assert found[0] @ found[1] < 0.999


def test_only_what_is_read_of_the_last_block_is_worked_out(networks):
    visual = networks[1][CLIP.slug].visual
    reduced = only_what_is_read(visual)
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    seen = []
    with (
        torch.no_grad(),
        visual.transformer.resblocks[-1].mlp.register_forward_hook(
            lambda _module, given, _found: seen.append(given[0].shape[1])
        ),
    ):
        expected, found = visual(pixels), reduced(pixels)
    assert seen == [17, 1]
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()


def test_towers_that_read_all_places_are_left_alone(networks):
    siglip = networks[1][SIGLIP.slug].visual
    assert only_what_is_read(siglip) is siglip


@pytest.mark.parametrize("spec", [CLIP, SIGLIP], ids=lambda spec: spec.slug)
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_texts_get_the_vectors_of_open_clip(encoders, networks, spec, engine):
    encoder = encoders(spec, engine)
    texts = ["a photo of a bridge", "the sea", "a tower of the sea " * 9]
    found = encoder.encode_text(texts)
    assert found.shape == (3, spec.dimensions)
    with torch.no_grad():
        expected = networks[1][spec.slug].encode_text(encoder._tokenize(texts))
    assert functional.cosine_similarity(torch.from_numpy(found), expected).min() > 0.99999
    assert encoder.encode_text([]).shape == (0, spec.dimensions)


def test_tokens_are_clips_own(encoders):
    tokens = encoders(CLIP)._tokenize(["a photo of a dog"])[0].tolist()
    assert tokens[:7] == [49406, 320, 1125, 539, 320, 1929, 49407]
    assert len(tokens) == 16


def test_siglip_tokens_are_padded_with_the_end(encoders):
    tokens = encoders(SIGLIP)._tokenize(["A photo, of the SEA!"])[0].tolist()
    assert tokens == [2, 3, 4, 5, 8, 1, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_all_of_a_picture_in_one_batch_is_the_same(encoders, engine):
    encoder, image = encoders(CLIP, engine), picture()
    whole, parts = encoder.encode_all(image, segments())
    assert np.allclose(whole, encoder.encode([image])[0], atol=1e-5)
    for one, other in zip(parts, encoder.encode_segments(image, segments()), strict=True):
        assert np.allclose(one, other, atol=1e-5)
    assert parts[0] @ parts[1] < 0.999


@pytest.mark.parametrize("spec", [CLIP, SIGLIP], ids=lambda spec: spec.slug)
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_picture_and_its_segments_are_one_run_of_the_network(encoders, spec, engine):
    encoder, rows = encoders(spec, engine), []
    counting = encoder._vision._network._module.register_forward_pre_hook(
        lambda _module, given: rows.append(len(given[0]))
    )
    try:
        whole, parts = encoder.encode_all(picture(1), segments())
        encoder.encode_all(picture(2), segments()[:2])
        encoder.encode_segments(picture(3), segments())
    finally:
        counting.remove()
    assert rows == [4, 3, 3]
    assert whole is not None
    assert all(one is not None for one in parts)


def test_nothing_to_describe_has_no_vector(encoders):
    encoder = encoders(CLIP)
    blank, empty = np.full((*SHAPE, 3), 90, np.uint8), SegmentMask(np.zeros(SHAPE, bool), Box(0, 0, 0, 0), 0)
    found = encoder.encode([blank, picture(), blank])
    assert [one is None for one in found] == [True, False, True]
    parts = encoder.encode_segments(picture(), [segments()[0], empty, segments()[1]])
    assert [one is None for one in parts] == [False, True, False]
    assert encoder.encode([]) == []
    assert encoder.encode_segments(picture(), []) == []
    assert encoder.encode_all(blank, [])[0] is None


@pytest.mark.parametrize("spec", [CLIP, SIGLIP], ids=lambda spec: spec.slug)
def test_inverted_masks_are_another_space(encoders, spec):
    own = inverted(spec, mi_steps=12)
    assert own.slug == f"{spec.slug}+mi-12-0.03"
    encoder = encoders(own, kind=InvertingOpenClipEncoder)
    image = picture()
    whole, parts = encoder.encode_all(image, segments())
    assert np.allclose(whole, encoders(spec).encode([image])[0], atol=1e-5)
    assert all(abs(np.linalg.norm(one) - 1) < 1e-5 for one in parts)
    alone = encoder.encode_segments(image, segments()[1:2])[0]
    assert alone @ parts[1] > 0.999
    assert parts[0] @ parts[1] < 0.999
    empty = SegmentMask(np.zeros(SHAPE, bool), Box(0, 0, 0, 0), 0)
    assert encoder.encode_segments(image, [empty]) == [None]


def test_inversion_takes_fewer_masks_at_once_where_memory_runs_out(encoders, monkeypatch):
    encoder = encoders(inverted(CLIP, mi_steps=12), kind=InvertingOpenClipEncoder)
    expected = encoder.encode_segments(picture(), segments())
    tried = []

    def hungry(attention, feature, masks, **settings):
        tried.append(len(masks))
        if len(masks) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return invert_masks(attention, feature, masks, **settings)

    monkeypatch.setattr(vision_tower, "invert_masks", hungry)
    found = encoder.encode_segments(picture(), segments())
    assert tried == [3, 2, 1, 1, 1]
    assert np.allclose(found, expected, atol=1e-5)


def test_the_slug_holds_the_inversions_settings():
    assert inverted(CLIP).slug == "clip-vit-b-32-openai+mi"
    assert settings_of("clip-vit-b-32-openai+mi").mi_steps == 100
    other = settings_of(inverted(CLIP, mi_steps=20, mi_alpha=0.5).slug)
    assert (other.mi_steps, other.mi_alpha) == (20, 0.5)
    assert model_of(inverted(CLIP, mi_steps=20).slug).spec is CLIP


def test_the_slug_alone_chooses_the_inversions_settings(encoders, monkeypatch):
    monkeypatch.setenv("VISION_ENGINE", "torch")
    monkeypatch.setattr(registry, "_made", {})
    image = picture()
    default, own = (registry.get_encoder(f"{CLIP.slug}+mi{settings}") for settings in ("", "-3-0.5"))
    assert own.spec.slug == f"{CLIP.slug}+mi-3-0.5"
    found, others = own.encode_segments(image, segments()), default.encode_segments(image, segments())
    direct = encoders(inverted(CLIP, mi_steps=3, mi_alpha=0.5), kind=InvertingOpenClipEncoder)
    same_ones = direct.encode_segments(image, segments())
    for vector, other, same in zip(found, others, same_ones, strict=True):
        assert vector is not None
        assert other is not None
        assert same is not None
        assert vector @ other < 0.99
        assert np.allclose(vector, same, atol=1e-5)
    described = describe_image(image, encoder=own, segmenter=Drawn(), with_global=False)
    assert described.embedding is None
    assert np.allclose(np.array([one.embedding for one in described.segments]), np.array(found), atol=1e-5)


def test_the_registry_makes_it(monkeypatch):
    monkeypatch.setenv("VISION_ENGINE", "torch")
    registry.register_encoder(CLIP, "photos.vision.encoders.open_clip:OpenClipEncoder")  # forgets one made before
    encoder = registry.get_encoder("clip-vit-b-32-openai")
    (vector,) = encoder.encode([picture()])
    assert vector is not None
    assert vector.shape == (512,)
    registry.register_encoder(CLIP, "photos.vision.encoders.open_clip:OpenClipEncoder")


def test_it_tells_missing_and_wrong_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    with pytest.raises(WeightsMissingError, match=r"ViT-B-32\.pt.*354 MB"):
        OpenClipEncoder(CLIP)
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "ViT-B-32.pt")
    with pytest.raises(WeightsCorruptError, match=r"ViT-B-32\.pt does not hold the weights of ViT-B-32"):
        OpenClipEncoder(CLIP)
    write_small_clip(tmp_path / "ViT-B-32.pt", dimensions=64)
    with pytest.raises(WeightsCorruptError, match="expected 512 dimensions for 'clip-vit-b-32-openai', got 64"):
        OpenClipEncoder(CLIP, engine=get_engine("torch")).encode([picture()])


def test_the_built_in_table_agrees_with_open_clip():
    import open_clip

    for name, tag in (("ViT-B-32", "openai"), ("ViT-L-14", "openai"), ("ViT-B-16-SigLIP-384", "webli")):
        model = next(one for one in MODELS.values() if one.name == name)
        config, pretrained = open_clip.get_model_config(name), open_clip.get_pretrained_cfg(name, tag)
        assert model.spec.dimensions == config["embed_dim"]
        assert model.view.size == config["vision_cfg"]["image_size"]
        assert model.view.mean == tuple(pretrained["mean"])
        assert (model.view.resize == "squash") == (pretrained.get("resize_mode") == "squash")
        if pretrained.get("url"):
            assert model.spec.weights[0].url == pretrained["url"]


def test_unknown_slugs_are_told():
    with pytest.raises(UnknownModelError, match="clip-vit-b-32-openai"):
        model_of("clip-vit-z")


def test_the_table_needs_neither_torch_nor_open_clip():
    import subprocess
    import sys

    program = (
        "import sys, photos.vision.registry, photos.vision.encoders.open_clip_models, json;"
        "print(json.dumps([name for name in ('torch', 'open_clip', 'openvino') if name in sys.modules]))"
    )
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert json.loads(answer.stdout) == []
