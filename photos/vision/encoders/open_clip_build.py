"""open_clip's networks, built from the shapes of their weights."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from photos.vision.encoders.open_clip_models import ClipModel
from photos.vision.errors import MissingDependencyError, WeightsCorruptError
from photos.vision.torchvision_cpu import prepare_torchvision
from photos.vision.weights import load_state, require

_OPENAI_EXTRAS = ("input_resolution", "context_length", "vocab_size")
_HEAD_WIDTH = 64
_OTHER_HEAD_WIDTHS = {1152: 72, 1536: 96}
"""Of SigLIP's largest towers, by their widths: the one number that the weights do not tell."""


def load_clip(model: ClipModel) -> nn.Module:
    """Return the two towers in float32; raises `WeightsMissingError`, `WeightsCorruptError`, `MissingDependencyError`.

    Attributes used: `visual`, `encode_text`, `context_length`.
    """
    path = require(model.spec.weights[0])
    state = {name: one.float() for name, one in load_state(path).items() if name not in _OPENAI_EXTRAS}
    try:
        network = build_clip(model, state)
        network.load_state_dict(state)
    except (KeyError, RuntimeError, ZeroDivisionError) as exc:
        raise WeightsCorruptError(f"{path} does not hold the weights of {model.name}: {exc}") from exc
    return network.float().eval().requires_grad_(False)


def build_clip(model: ClipModel, state: dict[str, Tensor]) -> nn.Module:
    """Return the two towers of the shapes of the state's weights, their own weights random."""
    prepare_torchvision()
    try:
        import open_clip
    except ImportError as exc:
        raise MissingDependencyError("CLIP needs open_clip: pip install 'geolocator[models]'") from exc
    if "SigLIP" in model.name and "visual.trunk.attn_pool.latent" in state:
        return _build_siglip(state, open_clip.get_model_config(model.name))
    if {"visual.conv1.weight", "visual.positional_embedding", "token_embedding.weight"} <= set(state):
        return _build_openai(state, open_clip.get_model_config(model.name) or {}, quick_gelu=model.quick_gelu)
    network: nn.Module = open_clip.create_model(
        model.name,
        pretrained=None,
        pretrained_text=False,
        load_weights=False,
        force_quick_gelu=model.quick_gelu,
    )
    return network


def _build_openai(state: Mapping[str, Tensor], config: Mapping[str, Any], *, quick_gelu: bool) -> nn.Module:
    """Return a CLIP of the shapes of its weights; what these do not tell is of open_clip's own configuration."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    width, _channels, patch, _patch = state["visual.conv1.weight"].shape
    grid = round((len(state["visual.positional_embedding"]) - 1) ** 0.5)
    text_width = len(state["ln_final.weight"])
    vision_shape = {
        "width": width,
        "layers": _layers(state, "visual.transformer.resblocks.{}.ln_1.weight"),
        "mlp_ratio": (len(state["visual.transformer.resblocks.0.mlp.c_fc.weight"]) + 0.5) / width,  # it is cut off
        "patch_size": patch,
        "image_size": patch * grid,
    }
    text_shape = {
        "context_length": len(state["positional_embedding"]),
        "vocab_size": len(state["token_embedding.weight"]),
        "width": text_width,
        "heads": text_width // _HEAD_WIDTH,
        "layers": _layers(state, "transformer.resblocks.{}.ln_1.weight"),
    }
    vision = CLIPVisionCfg(**{**config.get("vision_cfg", {}), **vision_shape})
    text = CLIPTextCfg(**{**config.get("text_cfg", {}), **text_shape})
    network: nn.Module = CLIP(state["text_projection"].shape[1], vision, text, quick_gelu=quick_gelu)
    return network


class SiglipVision(nn.Module):
    """A timm trunk that answers with its attention pool's feature."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, pixels: Tensor) -> Tensor:
        feature: Tensor = self.trunk(pixels)
        return feature


class SiglipModel(nn.Module):
    """The two towers of SigLIP under open_clip's names."""

    def __init__(self, trunk: nn.Module, text: nn.Module, *, with_bias: bool) -> None:
        super().__init__()
        self.visual = SiglipVision(trunk)
        self.text = text
        self.context_length = int(text.context_length)  # type: ignore[arg-type]
        self.logit_scale = nn.Parameter(torch.zeros(()))
        if with_bias:
            self.logit_bias = nn.Parameter(torch.zeros(()))

    def encode_text(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.text(tokens)
        return found


def _build_siglip(state: dict[str, Tensor], config: Mapping[str, Any]) -> nn.Module:
    """Return a SigLIP of the shapes of its weights; activations and the like are of timm's and open_clip's own."""
    import timm
    from open_clip.transformer import LayerNorm, TextTransformer

    width, _channels, patch, _patch = state["visual.trunk.patch_embed.proj.weight"].shape
    grid = round(state["visual.trunk.pos_embed"].shape[1] ** 0.5)
    trunk = timm.create_model(
        config["vision_cfg"]["timm_model_name"],
        img_size=grid * patch,
        patch_size=patch,
        embed_dim=width,
        depth=_layers(state, "visual.trunk.blocks.{}.norm1.weight"),
        num_heads=width // _OTHER_HEAD_WIDTHS.get(width, _HEAD_WIDTH),
        mlp_ratio=len(state["visual.trunk.blocks.0.mlp.fc1.weight"]) / width,
        num_classes=0,
    )
    text_width = len(state["text.ln_final.weight"])
    text = TextTransformer(
        context_length=len(state["text.positional_embedding"]),
        vocab_size=len(state["text.token_embedding.weight"]),
        width=text_width,
        heads=text_width // _OTHER_HEAD_WIDTHS.get(text_width, _HEAD_WIDTH),
        layers=_layers(state, "text.transformer.resblocks.{}.ln_1.weight"),
        mlp_ratio=len(state["text.transformer.resblocks.0.mlp.c_fc.weight"]) / text_width,
        output_dim=len(state.get("text.text_projection.weight", ())),  # 0 where there is none
        no_causal_mask=True,
        proj_bias=True,
        pool_type="last",
        act_layer=functools.partial(nn.GELU, **config["text_cfg"].get("act_kwargs", {})),
        norm_layer=functools.partial(LayerNorm, eps=1e-6),
    )
    for scalar in ("logit_scale", "logit_bias"):
        if scalar in state:
            state[scalar] = state[scalar].reshape(())
    return SiglipModel(trunk, text, with_bias="logit_bias" in state)


def _layers(state: Mapping[str, Any], name: str) -> int:
    count = 0
    while name.format(count) in state:
        count += 1
    return count
