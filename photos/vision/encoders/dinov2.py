"""DINOv2: what things look like, without words; optionally adapted by LoRA.

Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision" (2023); Hu et al., "LoRA: Low-Rank
Adaptation of Large Language Models" (ICLR 2022), whose matrices are added to the weights once, when loading.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from photos.vision.encoders.dinov2_spec import VIEW
from photos.vision.encoders.open_clip_models import INVERTED
from photos.vision.encoders.vision_tower import MaskInvertingTower, Vector, VisionTower, settings_of
from photos.vision.engines import Engine
from photos.vision.errors import MissingDependencyError, VisionError, WeightsCorruptError, WeightsMissingError
from photos.vision.mask_inversion import tower_of_timm
from photos.vision.torchvision_cpu import prepare_torchvision
from photos.vision.types import EncoderSpec, Image, SegmentMask
from photos.vision.weights import digest_of, load_state, require

_HEAD_WIDTH = 64
_UNUSED = ("mask_token",)


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank matrices in PEFT's format: `weight + alpha / rank * B @ A`."""

    weights: Path
    rank: int
    alpha: float

    @classmethod
    def from_environment(cls) -> Lora | None:
        """Return that of DINOV2_LORA_WEIGHTS, DINOV2_LORA_RANK and DINOV2_LORA_ALPHA, if there is one."""
        path = os.environ.get("DINOV2_LORA_WEIGHTS", "").strip()
        if not path:
            return None
        try:
            rank = int(os.environ.get("DINOV2_LORA_RANK") or 16)
            return cls(Path(path), rank, float(os.environ.get("DINOV2_LORA_ALPHA") or rank))
        except ValueError as exc:
            raise VisionError(f"DINOV2_LORA_RANK and DINOV2_LORA_ALPHA have to be numbers: {exc}") from exc


def adapted(spec: EncoderSpec, lora: Lora) -> EncoderSpec:
    """Return the space of the adapted network: another one for every adaptation."""
    if not lora.weights.is_file():
        raise WeightsMissingError(f"The LoRA weights {lora.weights} (DINOV2_LORA_WEIGHTS) are not there.")
    suffix = f"lora-{lora.rank}-{lora.alpha:g}-{digest_of(lora.weights)[:8]}"
    return replace(spec, slug=f"{spec.slug}+{suffix}", preprocessing=f"{spec.preprocessing}; {suffix}")


class DinoV2Encoder:
    """DINOv2's class token; its weights are loaded when it is made.

    A slug with "+mi" describes segments by mask inversion. A slug with "+lora" needs `lora`, by default that of
    the environment.
    """

    def __init__(self, spec: EncoderSpec, *, lora: Lora | None = None, engine: Engine | None = None) -> None:
        self.spec = spec
        network: Any = load_dinov2(require(spec.weights[0]), size=VIEW.size)
        if "+lora" in spec.slug:
            add_lora(network, _required(lora or Lora.from_environment(), spec))
        self._vision = VisionTower(spec, network, VIEW, engine=engine)
        self._inverting = None
        if INVERTED in spec.slug:
            self._inverting = MaskInvertingTower(
                self._vision,
                network,
                network.blocks[-1],
                read_tower=tower_of_timm,
                settings=settings_of(spec.slug),
                spec=spec,
            )

    def encode(self, images: Sequence[Image]) -> list[Vector | None]:
        """Return one (D,) vector per picture, None for a blank one."""
        return self._vision.encode(images)

    def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[Vector | None]:
        """Return one (D,) vector per segment of the picture, None for an empty one."""
        return (self._inverting or self._vision).encode_segments(image, segments)

    def encode_all(self, image: Image, segments: Sequence[SegmentMask]) -> tuple[Vector | None, list[Vector | None]]:
        """Return the picture's vector and its segments', in one batch."""
        return (self._inverting or self._vision).encode_all(image, segments)


def load_dinov2(path: Path, *, size: int) -> nn.Module:
    """Return timm's network with the weights of Meta's checkpoint, for pictures of `size` pixels a side.

    Raises `WeightsCorruptError` and `MissingDependencyError`.
    """
    prepare_torchvision()
    try:
        from timm.layers.pos_embed import resample_abs_pos_embed
    except ImportError as exc:
        raise MissingDependencyError("DINOv2 needs timm: pip install 'geolocator[research]'") from exc
    state = {name: one.float() for name, one in load_state(path).items() if name not in _UNUSED}
    try:
        network = _build(state, size)
        grid = size // state["patch_embed.proj.weight"].shape[-1]
        state["pos_embed"] = resample_abs_pos_embed(state["pos_embed"], [grid, grid])
        network.load_state_dict(state)
    except (KeyError, RuntimeError, ZeroDivisionError) as exc:
        raise WeightsCorruptError(f"{path} does not hold the weights of DINOv2: {exc}") from exc
    return network.eval().requires_grad_(False)


def _build(state: Mapping[str, Tensor], size: int) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    width, _channels, patch, _patch = state["patch_embed.proj.weight"].shape
    network: nn.Module = VisionTransformer(
        img_size=size,
        patch_size=patch,
        embed_dim=width,
        depth=sum(name.endswith(".norm1.weight") for name in state),
        num_heads=width // _HEAD_WIDTH,
        mlp_ratio=len(state["blocks.0.mlp.fc1.weight"]) / width,
        init_values=1e-5,
        num_classes=0,
    )
    return network


@torch.no_grad()
def add_lora(network: nn.Module, lora: Lora) -> None:
    """Add the low-rank matrices to the linear layers they are named after; raises `WeightsCorruptError`."""
    state = load_state(lora.weights)
    layers = sorted(name.removesuffix(".lora_A.weight") for name in state if name.endswith(".lora_A.weight"))
    if not layers:
        raise WeightsCorruptError(f"{lora.weights} holds no LoRA matrices (names ending in .lora_A.weight)")
    for name in layers:
        down, up = state[f"{name}.lora_A.weight"], state[f"{name}.lora_B.weight"]
        if len(down) != lora.rank:
            raise WeightsCorruptError(f"{lora.weights} has rank {len(down)} at {name}, expected {lora.rank}")
        try:
            layer: Any = network.get_submodule(name.removeprefix("base_model.model."))
            layer.weight += lora.alpha / lora.rank * (up.float() @ down.float())
        except (AttributeError, RuntimeError) as exc:
            raise WeightsCorruptError(f"{lora.weights} does not fit the network at {name}: {exc}") from exc


def _required(lora: Lora | None, spec: EncoderSpec) -> Lora:
    if lora is None:
        raise VisionError(f"{spec.slug!r} needs its LoRA weights; set DINOV2_LORA_WEIGHTS")
    return lora
