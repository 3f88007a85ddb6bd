"""SAM against segment_anything's own generator and predictor, on a small random checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from photos.vision import registry
from photos.vision.engines.openvino_engine import OpenVinoEngine
from photos.vision.engines.torch_engine import TorchEngine
from photos.vision.errors import (
    GpuMemoryError,
    UnknownModelError,
    VisionError,
    WeightsCorruptError,
    WeightsMissingError,
)
from photos.vision.masks import mask_iou
from photos.vision.segmenters.sam import SamSegmenter, SamSettings, weights_of
from photos.vision.segmenters.sam_automatic import automatic_masks, full_masks, measure, point_grid
from photos.vision.segmenters.sam_decoder import PromptDecoder
from photos.vision.segmenters.sam_encoder import PictureEncoder
from photos.vision.segmenters.sam_model import SamModel, build_sam, load_sam
from photos.vision.types import Box
from tests.vision.checkpoints import make_small_sam, write_small_sam

THRESHOLDS = {"pred_iou_thresh": 0.85, "stability_score_thresh": 0.5}
SETTINGS = SamSettings(points_per_side=9, pred_iou_thresh=0.85, stability_score_thresh=0.5, min_segment_size=0.002)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A folder of models with a small `sam-vit-b`."""
    folder = tmp_path_factory.mktemp("models")
    write_small_sam(folder / weights_of("sam-vit-b").name)
    return folder / weights_of("sam-vit-b").name


@pytest.fixture(autouse=True)
def model_folder(checkpoint, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(checkpoint.parent))


def exact_engine(name="torch"):
    return (
        TorchEngine(precision="f32", device=torch.device("cpu")) if name == "torch" else OpenVinoEngine(precision="f32")
    )


def picture(height=120, width=160, seed=1):
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def generated_by_the_original(checkpoint, image):
    from segment_anything import SamAutomaticMaskGenerator

    generator = SamAutomaticMaskGenerator(load_sam(checkpoint), points_per_side=9, **THRESHOLDS)
    return generator.generate(image)


def ours(checkpoint, image, engine):
    model = SamModel(load_sam(checkpoint), engine)
    encoded = model.encode(image)
    masks = automatic_masks(model, encoded, points_per_side=9, **THRESHOLDS)
    return masks, full_masks(model, encoded, masks.small)


@pytest.mark.parametrize("shape", [(120, 160), (200, 90), (96, 128)])
def test_masks_are_those_of_the_original_generator(checkpoint, shape):
    image = picture(*shape)
    expected = generated_by_the_original(checkpoint, image)
    masks, full = ours(checkpoint, image, exact_engine())
    assert 3 <= len(expected) == len(full)
    for index, record in enumerate(expected):
        assert np.array_equal(full[index], record["segmentation"])
        assert float(masks.quality[index]) == pytest.approx(record["predicted_iou"], abs=1e-5)
        assert float(masks.stability[index]) == pytest.approx(record["stability_score"], abs=1e-6)
        x1, y1, x2, y2 = masks.boxes[index].tolist()
        assert [x1, y1, x2 - x1, y2 - y1] == record["bbox"]


def test_the_decoder_is_the_originals_function():
    sam: Any = make_small_sam()
    torch.manual_seed(0)
    embedding, prompts = torch.randn(1, 32, 8, 8), torch.randn(5, 2, 32)
    with torch.inference_mode():
        dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(5, -1, 8, 8)
        expected = sam.mask_decoder.predict_masks(embedding, sam.prompt_encoder.get_dense_pe(), prompts, dense)
        found = PromptDecoder(sam)(embedding, prompts)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= 2e-6 * theirs.abs().max()


@pytest.mark.parametrize("grid_is_divided", [False, True])
def test_the_encoder_is_the_originals_function(grid_is_divided):
    """With windows of 3 on a grid of 8, which need padding, and of 9, which do not."""
    sam: Any = make_small_sam(side=144 if grid_is_divided else 128)
    torch.manual_seed(0)
    pixels = torch.randn(1, 3, sam.image_encoder.img_size, sam.image_encoder.img_size)
    with torch.inference_mode():
        expected, found = sam.image_encoder(pixels), PictureEncoder(sam)(pixels)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()


def masks_of_prompts(checkpoint, image, engine):
    """Return the masks (N, H, W) of a grid of prompts, three each, and their stability (N,)."""
    model = SamModel(load_sam(checkpoint), engine)
    encoded = model.encode(image)
    logits, quality = model.decode_points(encoded, point_grid(6) * (160, 120))
    found = measure(model, encoded, logits[:, 1:].flatten(0, 1), quality[:, 1:].flatten())
    return full_masks(model, encoded, found.small), found.stability.numpy()


@pytest.mark.parametrize(
    ("engine", "least"), [(OpenVinoEngine(precision="f32"), 0.999), (TorchEngine(precision="bf16"), 0.99)]
)
def test_other_engines_make_nearly_the_same_masks(tmp_path, engine, least):
    """Of those that do not hang by a thread: at a stability of less than is asked for by default."""
    checkpoint = tmp_path / "steady.pth"
    write_small_sam(checkpoint, seed=7)
    expected, stability = masks_of_prompts(checkpoint, picture(), exact_engine())
    found, _stability = masks_of_prompts(checkpoint, picture(), engine)
    steady = np.flatnonzero((stability > 0.8) & (expected.sum(axis=(1, 2)) > 50))
    assert len(steady) > 5
    assert np.mean([mask_iou(expected[index], found[index]) for index in steady]) >= least


def test_it_works(checkpoint):
    segmenter = SamSegmenter("sam-vit-b", settings=SETTINGS, engine=exact_engine("openvino"))
    segments = segmenter.segment(picture())
    assert 2 <= len(segments) <= 10
    for one in segments:
        assert one.mask.shape == (120, 160)
        assert one.area == one.mask.sum() >= 0.002 * 120 * 160
        assert one.predicted_iou > 0.85
        assert one.stability_score >= 0.5


def test_it_keeps_as_many_as_asked_for(checkpoint):
    settings = replace(SETTINGS, max_segments_per_image=2, min_segment_size=0.005)
    segments = SamSegmenter(settings=settings, engine=exact_engine()).segment(picture())
    assert len(segments) == 2
    assert all(one.area >= 0.005 * 120 * 160 for one in segments)


class Counting(TorchEngine):
    """Runs on the CPU, says it were on `said`, and counts the prompts."""

    def __init__(self, said):
        super().__init__(precision="f32", device=torch.device("cpu"))
        self.device = torch.device(said)
        self.prompts = 0

    def compile(self, module, examples, **options):
        network = exact_engine().compile(module, examples, **options)
        return self._counted(network) if isinstance(module, PromptDecoder) else network

    def _counted(self, network):
        def run(embedding, prompts):
            self.prompts += len(prompts)
            return network(embedding, prompts)

        return run


@pytest.mark.parametrize(("device", "asked", "side"), [("cpu", 0, 16), ("cuda", 0, 32), ("mps", 0, 32), ("cuda", 5, 5)])
def test_a_gpu_is_asked_at_more_points(device, asked, side):
    engine = Counting(device)
    settings = SamSettings(points_per_side=asked, pred_iou_thresh=50.0)
    SamSegmenter(settings=settings, engine=engine).segment(picture())
    assert engine.prompts == side * side


def test_a_full_gpu_is_told(monkeypatch):
    """The masks of a picture are enlarged outside of the networks."""

    def enlarge(*_given, **_options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    segmenter = SamSegmenter(settings=SETTINGS, engine=exact_engine())
    monkeypatch.setattr(SamModel, "enlarge", enlarge)
    with pytest.raises(GpuMemoryError):
        segmenter.segment(picture())
    with pytest.raises(GpuMemoryError):
        segmenter.segment_boxes(picture(), [Box(10, 20, 60, 50)])


def test_nothing_good_enough_means_no_segments(checkpoint):
    settings = SamSettings(points_per_side=3, pred_iou_thresh=50.0)
    assert SamSegmenter(settings=settings, engine=exact_engine()).segment(picture()) == []


def test_boxes_give_the_masks_of_the_original_predictor(checkpoint):
    from segment_anything import SamPredictor

    image = picture()
    boxes = [Box(10, 20, 60, 50), Box(80, 5, 70, 100)]
    predictor = SamPredictor(load_sam(checkpoint))
    predictor.set_image(image)
    found = SamSegmenter(engine=exact_engine()).segment_boxes(image, boxes)
    for box, segment in zip(boxes, found, strict=True):
        corners = np.array([box.x, box.y, box.x + box.width, box.y + box.height])
        masks, quality, _small = predictor.predict(box=corners, multimask_output=False)
        assert np.array_equal(masks[0], np.zeros_like(masks[0]) if segment is None else segment.mask)
        if segment is not None:
            assert segment.predicted_iou == pytest.approx(min(max(quality[0], 0), 1), abs=1e-5)
    assert any(one is not None for one in found)
    assert SamSegmenter(engine=exact_engine()).segment_boxes(image, []) == []


def test_the_registry_makes_it_from_the_environment(checkpoint, monkeypatch):
    monkeypatch.setenv("VISION_ENGINE", "torch")
    monkeypatch.setenv("POINTS_PER_SIDE", "9")
    for name, value in THRESHOLDS.items():
        monkeypatch.setenv(name.upper(), str(value))
    monkeypatch.setenv("MIN_SEGMENT_SIZE", "0.002")
    monkeypatch.setenv("MAX_SEGMENTS_PER_IMAGE", "3")
    registry.register_segmenter("sam-vit-b", "photos.vision.segmenters.sam:SamSegmenter")  # forgets one made before
    segmenter = registry.get_segmenter("sam-vit-b")
    assert isinstance(segmenter, SamSegmenter)
    assert segmenter.settings == SamSettings(9, 0.85, 0.5, 3, 0.002)
    assert 1 <= len(segmenter.segment(picture())) <= 3
    registry.register_segmenter("sam-vit-b", "photos.vision.segmenters.sam:SamSegmenter")


def test_it_rejects_settings_that_are_no_numbers(monkeypatch):
    monkeypatch.setenv("POINTS_PER_SIDE", "many")
    with pytest.raises(VisionError, match="POINTS_PER_SIDE='many'"):
        SamSettings.configured()


def test_it_rejects_unknown_slugs_and_tells_missing_weights(tmp_path, monkeypatch):
    with pytest.raises(UnknownModelError, match="sam-vit-b, sam-vit-l, sam-vit-h"):
        SamSegmenter("sam-vit-x")
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    with pytest.raises(WeightsMissingError, match=r"sam_vit_h_4b8939\.pth.*2565 MB"):
        SamSegmenter("sam-vit-h")


def test_it_rejects_other_checkpoints(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(WeightsCorruptError, match=r"other\.pth is no SAM checkpoint"):
        load_sam(tmp_path / "other.pth")


@pytest.mark.parametrize("model_type", ["vit_b", "vit_l", "vit_h"])
def test_the_official_sizes_are_read_off_the_weights(model_type):
    """The three official models' numbers, from their weights' shapes alone."""
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        original: Any = sam_model_registry[model_type]()
        again: Any = build_sam(original.state_dict())
    assert {name: one.shape for name, one in again.state_dict().items()} == {
        name: one.shape for name, one in original.state_dict().items()
    }
    assert plain_numbers(again.eval()) == plain_numbers(original)
    assert len({window for window, _heads in windows_of(again)}) == 2
    assert windows_of(again) == windows_of(original)


def windows_of(sam):
    """Return each block's window, 0 where it looks at the whole picture, and its heads."""
    return [(block.window_size, block.attn.num_heads) for block in sam.image_encoder.blocks]


def plain_numbers(sam):
    """Return what each part was made with, the sizes of pictures among it, that no weight shows."""
    return [
        (name, sorted((key, value) for key, value in vars(part).items() if isinstance(value, int | float | tuple)))
        for name, part in sam.named_modules()
    ]


@pytest.mark.parametrize(
    ("slug", "name", "sha256", "size"),
    [
        (
            "sam-vit-b",
            "sam_vit_b_01ec64.pth",
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            375_042_383,
        ),
        (
            "sam-vit-l",
            "sam_vit_l_0b3195.pth",
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            1_249_524_607,
        ),
        (
            "sam-vit-h",
            "sam_vit_h_4b8939.pth",
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            2_564_550_879,
        ),
    ],
)
def test_the_official_checkpoints_are_pinned(slug, name, sha256, size):
    file = weights_of(slug)
    assert (file.name, file.sha256, file.size) == (name, sha256, size)
    assert file.url == f"https://dl.fbaipublicfiles.com/segment_anything/{name}"
