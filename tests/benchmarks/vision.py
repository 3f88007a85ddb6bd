"""How fast vision is, beside the plain calls it replaces: `python -m tests.benchmarks.vision [NAME...]`.

Both sides load the same random weights from the same files and take turns in one process. With BENCH=quick the
networks are small and the rounds few: that shows only that everything runs. Otherwise they are the full sizes
(SAM vit_b, CLIP ViT-B/32), which takes several minutes on a machine that does nothing else: torch's threads
suffer more from company than OpenVINO's, and the ratios would flatter. OMP_NUM_THREADS=1 holds both to one.

"floor" is the time that the networks' products alone would take at the rate at which this machine multiplies large
f32 matrices, measured at the start: no engine that computes in f32 gets below it.
"""

from __future__ import annotations

import copy
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from photos.vision.encoders.class_token import only_what_is_read
from photos.vision.encoders.open_clip import OpenClipEncoder
from photos.vision.encoders.open_clip_models import MODELS
from photos.vision.engines import get_engine
from photos.vision.images import Limits, read_image
from photos.vision.mask_inversion import invert_masks, linearise, tower_of_open_clip
from photos.vision.masks import mask_of, segment_of
from photos.vision.segmenters.sam_automatic import automatic_masks, full_masks
from photos.vision.segmenters.sam_decoder import PromptDecoder
from photos.vision.segmenters.sam_encoder import PictureEncoder
from photos.vision.segmenters.sam_model import SamModel, load_sam
from photos.vision.segmenters.sam_weights import WEIGHTS
from photos.vision.torchvision_cpu import prepare_torchvision
from photos.vision.types import Box, Image
from tests.vision.checkpoints import make_blobs, write_clip, write_small_clip, write_small_sam
from tests.vision.test_mask_inversion import block_input, plain_loop

QUICK = os.environ.get("BENCH") == "quick"
CLIP = MODELS["clip-vit-b-32-openai"]
MI_STEPS = 5 if QUICK else 100
THRESHOLDS = {"pred_iou_thresh": 0.88, "stability_score_thresh": 0.6}


@dataclass(frozen=True)
class Pair:
    """Two ways to do the same; `target` is the ratio that the full size is meant to reach, `gigaflop` what the
    products of our networks take."""

    name: str
    reference: Callable[[], Any]
    ours: Callable[[], Any]
    target: float
    rounds: int
    gigaflop: float = 0.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-vision-") as folder, torch.no_grad():
        os.environ["MODEL_DIR"] = folder
        prepare_torchvision()
        results = {}
        rate = gigaflops()
        print(
            f"f32 products: {rate:.0f} GFLOP/s with {torch.get_num_threads()} threads; engine: {get_engine().precision}"
        )
        print(f"{'':20}{'reference':>12}{'ours':>12}{'ratio':>8}{'target':>8}{'floor':>12}   spread of ours, rounds")
        for pair in pairs(Path(folder)):
            if not sys.argv[1:] or pair.name in sys.argv[1:]:
                results[pair.name] = compare(pair, rate=rate)
    print(json.dumps(results))


def pairs(folder: Path) -> Iterator[Pair]:
    """Make each pair when its turn comes, so that no more than one is in memory."""
    yield jpeg_12mp()
    yield from clip_pairs(folder)
    yield from sam_pairs(folder)


def gigaflops() -> float:
    """Return the rate of f32 products in GFLOP/s, the best of ten."""
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    return 2 * 2048**3 / 1e6 / min(milliseconds(lambda: left @ right) for _round in range(10))


def gigaflop_of(module: nn.Module, *shapes: tuple[int, ...]) -> float:
    """Return what a module's products take, told from the inputs' shapes without computing them."""
    with FlopCounterMode(display=False) as counter:
        copy.deepcopy(module).to("meta")(*(torch.empty(shape, device="meta") for shape in shapes))
    return float(counter.get_total_flops()) / 1e9


def compare(pair: Pair, *, rate: float) -> dict[str, float | str]:
    """Let the two take turns, after one turn each that does not count; return and print the medians."""
    reference, ours = [], []
    pair.ours()
    if pair.rounds > 2:
        pair.reference()
    for _round in range(2 if QUICK else pair.rounds):
        reference.append(milliseconds(pair.reference))
        ours.append(milliseconds(pair.ours))
    before, after = statistics.median(reference), statistics.median(ours)
    floor = f"{pair.gigaflop / rate * 1000:9.1f} ms" if pair.gigaflop else ""
    print(
        f"{pair.name:20}{before:9.1f} ms{after:9.1f} ms{before / after:8.1f}{pair.target:8.0f}{floor:>12}   "
        f"{min(ours):.1f} to {max(ours):.1f}, {len(ours)}",
        flush=True,
    )
    return {"ours": round(after, 2), "reference": round(before, 2), "ratio": round(before / after, 2), "unit": "ms"}


def milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def picture(height: int, width: int) -> Image:
    """Return something between smooth and noisy, as photographs are."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noisy = np.clip(smooth + generator.integers(-12, 13, smooth.shape, dtype=np.int16), 0, 255)
    return np.asarray(noisy, np.uint8)


def jpeg_12mp() -> Pair:
    from open_clip.transform import image_transform

    file = io.BytesIO()
    PillowImage.fromarray(picture(3000, 4000)).save(file, "JPEG", quality=90)
    data, view = file.getvalue(), CLIP.view
    transform = image_transform(view.size, is_train=False, mean=view.mean, std=view.std)
    limits = Limits(max_bytes=len(data) + 1)

    def plain() -> Tensor:
        found: Tensor = transform(PillowImage.open(io.BytesIO(data)))
        return found

    def ours() -> object:
        return view.normalise([view.show(read_image(data, limits=limits, max_side=2 * view.size).pixels)])

    return Pair("jpeg_12mp", plain, ours, 4, 9)


def clip_pairs(folder: Path) -> Iterator[Pair]:
    path = folder / CLIP.spec.weights[0].name
    network: Any = write_small_clip(path) if QUICK else write_clip(path)
    yield clip_11(network)
    yield mask_inversion_10(network)


def clip_11(network: Any) -> Pair:
    """One picture and ten segments: one crop at a time by open_clip, all at once by ours."""
    from open_clip.transform import image_transform

    image = picture(768, 1024)
    boxes = [Box(40 * index, 30 * index, 200 + 20 * index, 180 + 10 * index) for index in range(10)]
    segments = [segment_of(mask_of(box, (768, 1024))) for box in boxes]
    encoder = OpenClipEncoder(CLIP.spec)
    side: int = network.visual.image_size[0]
    transform = image_transform(side, is_train=False, mean=CLIP.view.mean, std=CLIP.view.std)
    crops = [(0, 0, 1024, 768), *((box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes)]

    def plain() -> list[Tensor]:
        whole = PillowImage.fromarray(image)
        return [network.encode_image(transform(whole.crop(crop))[None], normalize=True) for crop in crops]

    products = gigaflop_of(only_what_is_read(network.visual), (11, 3, side, side))
    return Pair("clip_11", plain, lambda: encoder.encode_all(image, segments), 4, 7, products)


def mask_inversion_10(network: Any) -> Pair:
    """Ten masks: the published loop on a frozen backbone, mask by mask, against the closed form."""
    visual = network.visual.requires_grad_(False)
    side: int = visual.image_size[0]
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    masks = torch.zeros(10, side, side)
    for index in range(10):
        masks[index, index * side // 16 : (index + 4) * side // 16, side // 8 : (index + 4) * side // 16] = 1
    last, tower = visual.transformer.resblocks[-1], tower_of_open_clip(visual)

    def plain() -> list[Tensor]:
        feature, tokens = block_input(visual, last, image)
        with torch.enable_grad():
            return [plain_loop(visual, tokens, feature, mask, steps=MI_STEPS, alpha=0.03) for mask in masks]

    def ours() -> Tensor:
        feature, tokens = block_input(visual, last, image)
        with torch.enable_grad():
            return invert_masks(linearise(tower, tokens), feature, masks, mi_steps=MI_STEPS)

    return Pair("mask_inversion_10", plain, ours, 12, 2)


def sam_pairs(folder: Path) -> Iterator[Pair]:
    from segment_anything import SamAutomaticMaskGenerator, SamPredictor

    path = folder / WEIGHTS["vit_b"].name
    write_sam(path)
    original: Any = load_sam(path)
    model = SamModel(load_sam(path), get_engine())
    image = picture(768, 1024)
    predictor = SamPredictor(original)
    side, width = model.side, original.prompt_encoder.embed_dim
    encoding = gigaflop_of(PictureEncoder(original), (1, 3, side, side))
    yield Pair("sam_encoder", lambda: predictor.set_image(image), lambda: model.encode(image), 8, 3, encoding)
    generator = SamAutomaticMaskGenerator(original, points_per_side=16, **THRESHOLDS)

    def ours() -> object:
        encoded = model.encode(image)
        found = automatic_masks(model, encoded, points_per_side=16, **THRESHOLDS)
        return full_masks(model, encoded, found.small)

    decoding = gigaflop_of(PromptDecoder(original), (1, width, side // 16, side // 16), (256, 2, width))
    yield Pair("sam_masks_16", lambda: generator.generate(image), ours, 5, 2, encoding + decoding)


def write_sam(path: Path) -> None:
    if QUICK:
        write_small_sam(path)
        return
    from segment_anything import sam_model_registry

    with torch.random.fork_rng():
        torch.manual_seed(0)
        sam = sam_model_registry["vit_b"]()
        make_blobs(sam)
    torch.save(sam.state_dict(), path)


if __name__ == "__main__":
    main()
