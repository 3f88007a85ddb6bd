"""CLIP, SigLIP and their like by open_clip, at any size: their grid of positions is resampled to the picture's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from photos.vision.bulk.backbones import Vectors, locate
from photos.vision.bulk.backbones.network import NetworkBackbone
from photos.vision.bulk.recipe import Recipe
from photos.vision.encoders.open_clip import Tokenizer
from photos.vision.encoders.open_clip_build import load_clip
from photos.vision.encoders.open_clip_listed import register_open_clip
from photos.vision.encoders.open_clip_models import MODELS, ClipModel
from photos.vision.encoders.vision_tower import unit_rows
from photos.vision.engines import get_engine
from photos.vision.errors import UnknownModelError, VisionError
from photos.vision.types import WeightFile

_RESNET_STRIDE = 32
_TEXTS_AT_ONCE = 256


def files(recipe: Recipe) -> list[WeightFile]:
    model = find_model(recipe)
    return list(model.spec.weights[1 if recipe.weights else 0 :])


def load(recipe: Recipe) -> NetworkBackbone:
    model = find_model(recipe)
    locate(model.spec.weights[0])
    visual: Any = load_clip(model).visual
    module, multiple = _open_to_any_size(visual, recipe)
    return NetworkBackbone(recipe, module, mean=model.view.mean, std=model.view.std, multiple=multiple)


def load_text(recipe: Recipe) -> OpenClipTexts:
    return OpenClipTexts(find_model(recipe))


def find_model(recipe: Recipe) -> ClipModel:
    """Return a known model by its slug, or any of open_clip's as `NAME.TAG`; raises `UnknownModelError`."""
    name = recipe.model_name
    architecture, _dot, tag = name.partition(".")
    if name in MODELS:
        model = MODELS[name]
    elif tag:
        model = register_open_clip(architecture, tag)
    else:
        known = ", ".join(sorted(MODELS))
        raise UnknownModelError(f"unknown model {name!r}; use one of {known}, or NAME.TAG of open_clip's list")
    if not recipe.weights:
        return model
    own = (WeightFile(str(Path(recipe.weights).absolute()), "", "", 0), *model.spec.weights[1:])
    return dataclasses.replace(model, spec=dataclasses.replace(model.spec, weights=own))


class OpenClipTexts:
    """The text tower of a model."""

    def __init__(self, model: ClipModel) -> None:
        locate(model.spec.weights[0])
        network: Any = load_clip(model)
        del network.visual
        self._spec = model.spec
        self._tokenize = Tokenizer(model, network.context_length)
        self._network = get_engine().compile(_TextTower(network), [self._tokenize.examples()], batched=[True])

    def describe_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) float32 of unit norm."""
        found = [
            unit_rows(self._network(self._tokenize(texts[start : start + _TEXTS_AT_ONCE]))[0], self._spec)
            for start in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
        return np.concatenate(found) if found else np.zeros((0, self._spec.dimensions), np.float32)


class _TextTower(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.network.encode_text(tokens)
        return found


def _open_to_any_size(visual: Any, recipe: Recipe) -> tuple[nn.Module, int]:
    """Return a module for pictures of any size, and what their sides must be multiples of."""
    local = recipe.descriptors == "local"
    if recipe.pooling != "head":
        raise VisionError("open_clip's models are pooled by their own heads; leave --pooling out")
    if hasattr(visual, "trunk"):
        patch = _free_trunk(visual.trunk)
        return (_TrunkTokens(visual.trunk) if local else visual), patch
    if hasattr(visual, "attnpool"):
        if local:
            raise VisionError(f"local descriptors are those of a ViT's patches; {recipe.model_name!r} has none")
        return _Resampled(visual, "attnpool.positional_embedding", _RESNET_STRIDE), _RESNET_STRIDE
    visual.output_tokens = local
    patch = int(visual.patch_size[0])
    return _Resampled(visual, "positional_embedding", patch), patch


def _free_trunk(trunk: Any) -> int:
    """Let a timm ViT take pictures of any size, as timm's own option does when it is built so; returns the patch."""
    from timm.layers.format import Format

    if not hasattr(trunk, "dynamic_img_size"):
        return _RESNET_STRIDE
    trunk.dynamic_img_size = True
    embed = trunk.patch_embed
    embed.strict_img_size, embed.flatten, embed.output_fmt = False, False, Format.NHWC
    return int(embed.patch_size[0])


class _Resampled(nn.Module):
    """A tower whose square grid of learned positions is resampled to each picture's."""

    def __init__(self, visual: Any, name: str, stride: int) -> None:
        super().__init__()
        self.visual, self.name, self.stride = visual, name, stride

    def forward(self, pixels: Tensor) -> Tensor:
        from timm.layers.pos_embed import resample_abs_pos_embed

        grid = [int(length) // self.stride for length in pixels.shape[2:]]
        learned = self.visual.get_parameter(self.name)
        if len(learned) == grid[0] * grid[1] + 1 and grid[0] == grid[1]:
            found = self.visual(pixels)
        else:
            positions = resample_abs_pos_embed(learned[None].float(), grid)[0].to(learned.dtype)
            found = torch.func.functional_call(self.visual, {self.name: positions}, (pixels,))
        # With tokens asked for, the answer is a pair: the whole, and its patches.
        tokens: Tensor = found[1] if isinstance(found, tuple) else found
        return tokens


class _TrunkTokens(nn.Module):
    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.trunk.forward_features(pixels)
        return tokens
