"""Networks of transformers from a folder of `config.json` and `model.safetensors`; nothing is run from it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from photos.vision.bulk.backbones import Vectors, locate
from photos.vision.bulk.backbones.network import NetworkBackbone, Triple
from photos.vision.bulk.recipe import Recipe
from photos.vision.errors import MissingDependencyError, UnknownModelError, VisionError, WeightsCorruptError
from photos.vision.torchvision_cpu import prepare_torchvision
from photos.vision.types import WeightFile

HUB: Final = "https://huggingface.co"
HALF: Final[Triple] = (0.5, 0.5, 0.5)

_FILES: Final = ("config.json", "preprocessor_config.json", "model.safetensors")
_TEXT_FILES: Final = ("tokenizer.json", "tokenizer_config.json")


def files(recipe: Recipe) -> list[WeightFile]:
    name = recipe.model_name
    if Path(name).is_dir():
        return []
    if name.count("/") != 1:
        raise UnknownModelError(f"{name!r} is no folder and no OWNER/NAME of a model; give one with --model")
    folder = f"transformers/{name.replace('/', '--')}"
    wanted = (*_FILES, *_TEXT_FILES) if recipe.descriptors == "text" else _FILES
    return [WeightFile(f"{folder}/{one}", f"{HUB}/{name}/resolve/main/{one}", "", 0) for one in wanted]


def load(recipe: Recipe) -> NetworkBackbone:
    if recipe.pooling not in {"head", "cls"}:
        raise VisionError("transformers' networks are pooled by their heads or by their class token")
    folder = _folder(recipe)
    network = build(folder)
    config = getattr(network.config, "vision_config", None) or network.config
    patch = getattr(config, "patch_size", 1)
    if recipe.descriptors == "local" and not isinstance(patch, int):
        raise VisionError(f"local descriptors are those of a ViT's patches; {recipe.model_name!r} has none")
    module = _Vision(network, local=recipe.descriptors == "local", pooling=recipe.pooling)
    mean, std = _colours(folder)
    return NetworkBackbone(recipe, module, mean=mean, std=std, multiple=patch if isinstance(patch, int) else 1)


def load_text(recipe: Recipe) -> TransformersTexts:
    return TransformersTexts(_folder(recipe))


def build(folder: Path) -> Any:
    """Return the folder's network; raises `WeightsCorruptError`, and `MissingDependencyError`."""
    transformers = _transformers()
    try:
        network = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError, KeyError) as exc:
        raise WeightsCorruptError(f"{folder} holds no model that transformers can load: {exc}") from exc
    return network.eval().requires_grad_(False)


class TransformersTexts:
    """The text tower of a model of two, with its tokenizer."""

    def __init__(self, folder: Path) -> None:
        self._network = build(folder)
        if not hasattr(self._network, "get_text_features"):
            raise VisionError(f"{folder} holds a model without a text tower")
        if not (folder / "tokenizer.json").is_file():
            raise VisionError(f"{folder} has no tokenizer.json; copy the model's there")
        self._tokenize = _transformers().PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)

    @torch.inference_mode()
    def describe_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) float32 of unit norm; a text's vector never depends on the others', and N may be 0."""
        config = getattr(self._network.config, "text_config", self._network.config)
        length = int(config.max_position_embeddings)
        if self._tokenize.pad_token is None:
            self._tokenize.pad_token = self._tokenize.eos_token or self._tokenize.unk_token
        found = []
        for text in texts or [""]:  # of no texts one tells how long vectors are
            tokens = self._tokenize(
                [text], padding="max_length", truncation=True, max_length=length, return_tensors="pt"
            )
            inputs = {"input_ids": tokens["input_ids"]}
            if self._network.config.model_type == "clip":
                inputs["attention_mask"] = tokens["attention_mask"]
            found.append(_pooled(self._network.get_text_features(**inputs)))
        vectors = nn.functional.normalize(torch.cat(found).float(), dim=-1)
        return np.asarray(vectors[: len(texts)].cpu().numpy(), np.float32)


class _Vision(nn.Module):
    def __init__(self, network: Any, *, local: bool, pooling: str) -> None:
        super().__init__()
        self.network, self.local, self.pooling = network, local, pooling
        self.vision = getattr(network, "vision_model", network)
        known = inspect.signature(self.vision.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in known else {}

    def forward(self, pixels: Tensor) -> Tensor:
        if not self.local and self.pooling == "head" and hasattr(self.network, "get_image_features"):
            return _pooled(self.network.get_image_features(pixel_values=pixels, **self.options))
        found = self.vision(pixel_values=pixels, **self.options)
        tokens: Tensor = found.last_hidden_state
        if self.local:
            return tokens
        pooled: Tensor | None = getattr(found, "pooler_output", None) if self.pooling == "head" else None
        return tokens[:, 0] if pooled is None else pooled.flatten(1)


def _pooled(found: Any) -> Tensor:
    """Return the vectors of an answer that is the tensor itself, or has it beside other things."""
    pooled: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return pooled


def _folder(recipe: Recipe) -> Path:
    if recipe.weights:
        raise VisionError("a transformers model is a folder; name it with --model")
    if Path(recipe.model_name).is_dir():
        return Path(recipe.model_name)
    paths = [locate(one) for one in files(recipe)]
    return paths[0].parent


def _colours(folder: Path) -> tuple[Triple, Triple]:
    path = folder / "preprocessor_config.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    mean, std = known.get("image_mean", HALF), known.get("image_std", HALF)
    return tuple(mean), tuple(std)


def _transformers() -> Any:
    prepare_torchvision()
    try:
        import transformers
    except ImportError as exc:
        raise MissingDependencyError("these networks need transformers: pip install 'geolocator[research]'") from exc
    told: Any = transformers.utils.logging
    told.set_verbosity_error()
    told.disable_progress_bar()
    return transformers
