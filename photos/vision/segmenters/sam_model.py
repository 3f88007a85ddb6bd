"""SAM's networks, built from any checkpoint of the original classes.

Kirillov et al., "Segment Anything" (ICCV 2023). Widths, depths, windows and sizes are read off the weights, so
that `vit_b`, `vit_l`, `vit_h` and smaller ones load by the same code.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import Tensor, nn

from photos.vision.engines import Engine, Network
from photos.vision.errors import MissingDependencyError, WeightsCorruptError
from photos.vision.segmenters.sam_decoder import PromptDecoder
from photos.vision.segmenters.sam_encoder import PictureEncoder
from photos.vision.torchvision_cpu import prepare_torchvision
from photos.vision.types import Image
from photos.vision.weights import load_state

_PORTION_CPU: Final = 4
"""Prompts that are decoded at once: their places still fit a CPU's cache."""

_PORTION_GPU: Final = 64

_ATTENTION_HEADS: Final = 8
"""Of the mask decoder: the one number that its weights do not tell."""


def load_sam(path: Path) -> nn.Module:
    """Return segment_anything's `Sam` in evaluation mode; raises `WeightsCorruptError`, `MissingDependencyError`."""
    state = load_state(path)
    try:
        sam = build_sam(state)
        sam.load_state_dict(state)
    except (KeyError, RuntimeError, IndexError) as exc:
        raise WeightsCorruptError(f"{path} is no SAM checkpoint: {exc}") from exc
    return sam.eval().requires_grad_(False)


def build_sam(state: Mapping[str, Tensor]) -> nn.Module:
    """Return a `Sam` of the shapes of the state's weights, its own weights random."""
    prepare_torchvision()
    try:
        from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
    except ImportError as exc:
        raise MissingDependencyError("SAM needs segment-anything: pip install 'geolocator[models]'") from exc
    encoder = _encoder_shape(state)
    grid, width = encoder["img_size"] // encoder["patch_size"], encoder["out_chans"]
    decoder = "mask_decoder.transformer.layers.{}.mlp.lin1.weight"
    head = "mask_decoder.iou_prediction_head.layers.{}.weight"
    transformer = TwoWayTransformer(
        depth=_count(state, decoder),
        embedding_dim=width,
        num_heads=_ATTENTION_HEADS,
        mlp_dim=len(state[decoder.format(0)]),
    )
    sam: nn.Module = Sam(
        image_encoder=ImageEncoderViT(**encoder, norm_layer=functools.partial(nn.LayerNorm, eps=1e-6)),
        prompt_encoder=PromptEncoder(
            embed_dim=width,
            image_embedding_size=(grid, grid),
            input_image_size=(encoder["img_size"],) * 2,
            mask_in_chans=len(state["prompt_encoder.mask_downscaling.3.weight"]),
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=len(state["mask_decoder.mask_tokens.weight"]) - 1,
            transformer=transformer,
            transformer_dim=width,
            iou_head_depth=_count(state, head),
            iou_head_hidden_dim=len(state[head.format(0)]),
        ),
    )
    return sam


def _encoder_shape(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `ImageEncoderViT`."""
    width, _channels, patch, _patch = state["image_encoder.patch_embed.proj.weight"].shape
    grid = state["image_encoder.pos_embed"].shape[1]
    depth = _count(state, "image_encoder.blocks.{}.norm1.weight")
    spans = [state[f"image_encoder.blocks.{block}.attn.rel_pos_h"].shape for block in range(depth)]
    return {
        "img_size": grid * patch,
        "patch_size": patch,
        "embed_dim": width,
        "depth": depth,
        "num_heads": width // spans[0][1],
        "mlp_ratio": len(state["image_encoder.blocks.0.mlp.lin1.weight"]) / width,
        "out_chans": len(state["image_encoder.neck.0.weight"]),
        "use_rel_pos": True,
        "window_size": (min(length for length, _width in spans) + 1) // 2,
        "global_attn_indexes": tuple(block for block in range(depth) if spans[block][0] == 2 * grid - 1),
    }


def _count(state: Mapping[str, Tensor], name: str) -> int:
    count = 0
    while name.format(count) in state:
        count += 1
    return count


@dataclass(frozen=True, slots=True, eq=False)
class EncodedImage:
    """A picture's embedding (1, C, g, g), its size (height, width) and its size in the network's input."""

    embedding: Tensor
    size: tuple[int, int]
    input_size: tuple[int, int]


class SamModel:
    """SAM on an engine: pictures to embeddings, prompts to masks.

    The decoder computes in f32 always: in bf16 it moves the masks' edges five times as far as the encoder does
    (docs/decisions/0011).
    """

    def __init__(self, sam: Any, engine: Engine) -> None:
        self.side = int(sam.image_encoder.img_size)
        self.device = engine.device
        self._prompts = sam.prompt_encoder.float().eval()
        self._mean = sam.pixel_mean.float()
        self._std = sam.pixel_std.float()
        decoder = PromptDecoder(sam).eval()
        grid, width = decoder.grid, decoder.no_mask.shape[1]
        portion = _PORTION_CPU if engine.device.type == "cpu" else _PORTION_GPU
        self._encoder: Network = engine.compile(
            PictureEncoder(sam), [torch.zeros(1, 3, self.side, self.side)], batched=[True], static=True
        )
        self._decoder: Network = engine.compile(
            decoder,
            [torch.zeros(1, width, *grid), torch.zeros(portion, 2, width)],
            batched=[False, True],
            static=True,
            exact=True,
        )

    @torch.inference_mode()
    def encode(self, image: Image) -> EncodedImage:
        """Return the embedding of an (H, W, 3) uint8 RGB picture."""
        size = (image.shape[0], image.shape[1])
        scale = self.side / max(size)
        height, width = (int(length * scale + 0.5) for length in size)
        small = PillowImage.fromarray(image).resize((width, height), PillowImage.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float()
        padded = torch.zeros(1, 3, self.side, self.side)
        padded[0, :, :height, :width] = (pixels - self._mean) / self._std
        return EncodedImage(self._encoder(padded)[0], size, (height, width))

    @torch.inference_mode()
    def decode_points(self, image: EncodedImage, points: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Return small logits (N, 4, 4g, 4g) and predicted IoU (N, 4) of one prompt a point.

        `points` is (N, 2), x and y in pixels of the picture. Of the four masks the first is for several prompts
        at once, the others are the whole, a part, a part of it.
        """
        coordinates = self._scaled(points, image)[:, None]
        labels = torch.ones(len(points), 1, dtype=torch.int)
        prompts, _dense = self._prompts(points=(coordinates, labels), boxes=None, masks=None)
        return self._decode(image, prompts)

    @torch.inference_mode()
    def decode_boxes(self, image: EncodedImage, boxes: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """As `decode_points`, for `boxes` (N, 4) as x1, y1, x2, y2."""
        corners = self._scaled(boxes.reshape(-1, 2), image).view(-1, 4)
        prompts, _dense = self._prompts(points=None, boxes=corners, masks=None)
        return self._decode(image, prompts)

    def enlarge(self, logits: Tensor, image: EncodedImage, *, roughly: bool = False) -> Tensor:
        """Return (N, H, W) logits at the picture's size for (N, 4g, 4g) small ones.

        As the original, in two steps over the padded square; but the padding itself is not enlarged. `roughly` allows
        the last binary digit to differ where that is faster.
        """
        height, width = image.input_size
        scale = self.side // logits.shape[-1]
        inside = logits[:, : -(-height // scale) + 1, : -(-width // scale) + 1]
        enlarge = _enlarged_by_opencv if roughly and logits.device.type == "cpu" else _resized
        large = enlarge(inside, (inside.shape[1] * scale, inside.shape[2] * scale))[:, :height, :width]
        return large if image.size == image.input_size else _resized(large, image.size)

    def _decode(self, image: EncodedImage, prompts: Tensor) -> tuple[Tensor, Tensor]:
        logits, quality = self._decoder(image.embedding, prompts)
        return logits, quality

    def _scaled(self, points: NDArray[np.float64], image: EncodedImage) -> Tensor:
        (height, width), (input_height, input_width) = image.size, image.input_size
        return torch.from_numpy(points * (input_width / width, input_height / height))


def _resized(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return nn.functional.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def _enlarged_by_opencv(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """As `_resized`, for a power of two times the size: sixteen times as fast as torch on a CPU.

    At other sizes the two round the places they look at differently, and masks would differ by whole pixels.
    """
    large = np.empty((len(logits), *size), np.float32)
    for one, out in zip(logits.numpy(), large, strict=True):
        cv2.resize(one, size[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(large)
