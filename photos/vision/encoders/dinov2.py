"""DINOv2: what things look like, without words; optionally adapted by LoRA.

Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision" (2023). LoRA's matrices are added to the
weights once, when loading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from photos.vision.encoders.dinov2_spec import VIEW
from photos.vision.encoders.inverted_spec import INVERTED, settings_of
from photos.vision.encoders.lora import Lora, configured_lora, is_adapted
from photos.vision.encoders.vision_tower import MaskInvertingTower, Vector, VisionTower
from photos.vision.engines import Engine
from photos.vision.errors import MissingDependencyError, VisionError, WeightsCorruptError
from photos.vision.mask_inversion import tower_of_timm
from photos.vision.torchvision_cpu import prepare_torchvision
from photos.vision.types import EncoderSpec, Image, SegmentMask
from photos.vision.weights import load_state, require

_HEAD_WIDTH = 64
_UNUSED = ("mask_token",)


class DinoV2Encoder:
    """DINOv2's class token; its weights are loaded when it is made.

    A slug with "+mi" describes segments by mask inversion. A slug with "+lora" needs `lora`, by default that of
    the configuration.
    """

    def __init__(self, spec: EncoderSpec, *, lora: Lora | None = None, engine: Engine | None = None) -> None:
        self.spec = spec
        network: Any = load_dinov2(require(spec.weights[0]), size=VIEW.size)
        if is_adapted(spec.slug):
            add_lora(network, _required(lora or configured_lora(), spec))
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
            layer.weight += lora.scale * (up.float() @ down.float())
        except (AttributeError, RuntimeError) as exc:
            raise WeightsCorruptError(f"{lora.weights} does not fit the network at {name}: {exc}") from exc


def _required(lora: Lora | None, spec: EncoderSpec) -> Lora:
    if lora is None:
        raise VisionError(f"{spec.slug!r} needs its LoRA weights; set DINOV2_LORA_WEIGHTS")
    if lora.suffix not in spec.slug:
        raise WeightsCorruptError(f"{lora.weights} is another adaptation, {lora.suffix}, than that of {spec.slug!r}")
    return lora
