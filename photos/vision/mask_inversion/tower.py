"""The last block of a vision transformer and what follows it, as plain tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from photos.vision.errors import VisionError


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """A layer normalisation: `weight` and `bias` (W,)."""

    weight: Tensor
    bias: Tensor
    eps: float

    def standardise(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return (..., W) tokens of zero mean and unit variance, and the deviations (..., 1) divided by."""
        centred = tokens - tokens.mean(dim=-1, keepdim=True)
        deviation = (centred.square().mean(dim=-1, keepdim=True) + self.eps).sqrt()
        return centred / deviation, deviation

    def __call__(self, tokens: Tensor) -> Tensor:
        return self.standardise(tokens)[0] * self.weight + self.bias

    def to(self, dtype: torch.dtype) -> Norm:
        return Norm(self.weight.to(dtype), self.bias.to(dtype), self.eps)


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """`x @ weight.T + bias`: `weight` (out, in), `bias` (out,)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, tokens: Tensor) -> Tensor:
        return tokens @ self.weight.T + self.bias

    def to(self, dtype: torch.dtype) -> Linear:
        return Linear(self.weight.to(dtype), self.bias.to(dtype))


@dataclass(frozen=True, slots=True, eq=False)
class Tower:
    """A pre-norm block `x + out(attention(norm1(x)))`, then `+ fc2(activation(fc1(norm2(.))))`, and the readout.

    Layer scales are folded into `out` and `fc2`. The readout is the mean over all tokens, normalised by `final`
    after averaging, or each token before it where `norm_each_token` (SigLIP); then `projection` (W, D), if any;
    then unit norm. The first `leading_tokens` (class token, registers) have no place in the picture.
    `range_epsilon` is added to the range in the min-max scaling, as the published code does for that family.
    """

    heads: int
    norm1: Norm
    qkv: Linear
    out: Linear
    norm2: Norm
    fc1: Linear
    activation: Callable[[Tensor], Tensor]
    fc2: Linear
    final: Norm
    projection: Tensor | None
    norm_each_token: bool
    leading_tokens: int
    range_epsilon: float

    def to(self, dtype: torch.dtype) -> Tower:
        """Return the same tower in another floating type."""
        return replace(
            self,
            norm1=self.norm1.to(dtype),
            qkv=self.qkv.to(dtype),
            out=self.out.to(dtype),
            norm2=self.norm2.to(dtype),
            fc1=self.fc1.to(dtype),
            fc2=self.fc2.to(dtype),
            final=self.final.to(dtype),
            projection=None if self.projection is None else self.projection.to(dtype),
        )


def tower_of_open_clip(visual: nn.Module) -> Tower:
    """Return the tower of an open_clip `VisionTransformer` (OpenAI's layout) or `TimmModel` (SigLIP).

    Raises `VisionError` for an architecture without a closed form here (ResNets, CoCa's poolers).
    """
    source: Any = visual
    if hasattr(source, "trunk"):
        return tower_of_timm(source.trunk)
    if not hasattr(source, "transformer") or source.attn_pool is not None:
        raise VisionError(f"no mask inversion for a {type(visual).__name__} vision tower; use a plain ViT")
    block = source.transformer.resblocks[-1]
    return Tower(
        heads=block.attn.num_heads,
        norm1=_norm(block.ln_1),
        qkv=Linear(block.attn.in_proj_weight.detach(), block.attn.in_proj_bias.detach()),
        out=_scaled(_linear(block.attn.out_proj), getattr(block, "ls_1", None)),
        norm2=_norm(block.ln_2),
        fc1=_linear(block.mlp.c_fc),
        activation=block.mlp.gelu,
        fc2=_scaled(_linear(block.mlp.c_proj), getattr(block, "ls_2", None)),
        final=_norm(source.ln_post),
        projection=None if source.proj is None else source.proj.detach(),
        norm_each_token=False,
        leading_tokens=1,
        range_epsilon=1e-6,
    )


def tower_of_timm(trunk: nn.Module) -> Tower:
    """Return the tower of a timm `VisionTransformer`: DINOv2, or SigLIP's with its attention pool."""
    source: Any = trunk
    block = source.blocks[-1]
    if not isinstance(getattr(block.mlp, "fc1", None), nn.Linear) or not isinstance(block.attn.q_norm, nn.Identity):
        raise VisionError(f"no mask inversion for a {type(block.mlp).__name__} block; use a plain ViT")
    return Tower(
        heads=block.attn.num_heads,
        norm1=_norm(block.norm1),
        qkv=_linear(block.attn.qkv),
        out=_scaled(_linear(block.attn.proj), block.ls1),
        norm2=_norm(block.norm2),
        fc1=_linear(block.mlp.fc1),
        activation=block.mlp.act,
        fc2=_scaled(_linear(block.mlp.fc2), block.ls2),
        final=_norm(source.norm),
        projection=None,
        norm_each_token=source.attn_pool is not None,
        leading_tokens=source.num_prefix_tokens,
        range_epsilon=0.0,
    )


def _norm(layer: nn.LayerNorm) -> Norm:
    return Norm(layer.weight.detach(), layer.bias.detach(), layer.eps)


def _linear(layer: nn.Linear) -> Linear:
    weight = layer.weight.detach()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
    return Linear(weight, bias)


def _scaled(layer: Linear, scale: nn.Module | None) -> Linear:
    """Fold a layer scale, if there is one, into the linear layer before it."""
    gamma = getattr(scale, "gamma", None)
    if gamma is None:
        return layer
    return Linear(layer.weight * gamma.detach()[:, None], layer.bias * gamma.detach())
