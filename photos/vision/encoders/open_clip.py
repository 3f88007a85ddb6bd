"""CLIP and SigLIP by open_clip: pictures, segments and texts in one space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from photos.vision.encoders.class_token import only_what_is_read
from photos.vision.encoders.crops import View
from photos.vision.encoders.inverted_spec import INVERTED, settings_of
from photos.vision.encoders.open_clip_build import load_clip
from photos.vision.encoders.open_clip_models import MODELS, ClipModel
from photos.vision.encoders.vision_tower import MaskInvertingTower, Vector, VisionTower, unit_rows
from photos.vision.engines import Engine
from photos.vision.errors import MissingDependencyError, UnknownModelError, VisionError
from photos.vision.mask_inversion import tower_of_open_clip
from photos.vision.types import EncoderSpec, Image, SegmentMask, WeightFile
from photos.vision.weights import require


class OpenClipEncoder:
    """A model of `open_clip_models.MODELS`; its weights are loaded when it is made."""

    def __init__(self, spec: EncoderSpec, *, engine: Engine | None = None) -> None:
        self.spec = spec
        self._model = model_of(spec.slug)
        network: Any = load_clip(self._model)
        visual = only_what_is_read(network.visual)
        self._vision = VisionTower(spec, visual, _view(self._model, network), engine=engine)
        self._keep(network.visual)
        del network.visual  # what is left is the text tower
        self._tokenize = Tokenizer(self._model, network.context_length)
        self._text = self._vision.engine.compile(_TextTower(network), [self._tokenize.examples()], batched=[True])

    def _keep(self, visual: Any) -> None:
        """Take what is needed of the vision tower beside its network on the engine: nothing."""

    def encode(self, images: Sequence[Image]) -> list[Vector | None]:
        """Return one (D,) vector per picture, None for a blank one."""
        return self._vision.encode(images)

    def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[Vector | None]:
        """Return one (D,) vector per segment of the picture, None for an empty one."""
        return self._vision.encode_segments(image, segments)

    def encode_all(self, image: Image, segments: Sequence[SegmentMask]) -> tuple[Vector | None, list[Vector | None]]:
        """Return the picture's vector and its segments', in one batch."""
        return self._vision.encode_all(image, segments)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (N, D) float32 of unit norm."""
        if not self.spec.has_text:
            raise VisionError(f"{self.spec.slug!r} describes pictures only: its tokenizer is not known here")
        if not texts:
            return np.zeros((0, self.spec.dimensions), np.float32)
        (features,) = self._text(self._tokenize(texts))
        return unit_rows(features, self.spec)


class InvertingOpenClipEncoder(OpenClipEncoder):
    """The same with segments by mask inversion; slug and settings are those of `inverted_spec.inverted`."""

    def _keep(self, visual: Any) -> None:
        blocks = visual.trunk.blocks if hasattr(visual, "trunk") else visual.transformer.resblocks
        self._inverting = MaskInvertingTower(
            self._vision,
            visual,
            blocks[-1],
            read_tower=tower_of_open_clip,
            settings=settings_of(self.spec.slug),
            spec=self.spec,
        )

    def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[Vector | None]:
        """Return one (D,) vector per segment of the picture, None for an empty one."""
        return self._inverting.encode_segments(image, segments)

    def encode_all(self, image: Image, segments: Sequence[SegmentMask]) -> tuple[Vector | None, list[Vector | None]]:
        """Return the picture's vector and its segments'."""
        return self._inverting.encode_all(image, segments)


def model_of(slug: str) -> ClipModel:
    """Return the model of a slug, with or without mask inversion; raises `UnknownModelError`."""
    plain = slug.split(INVERTED)[0]
    if plain not in MODELS:
        raise UnknownModelError(f"unknown CLIP model {slug!r}; known: {', '.join(sorted(MODELS))}")
    return MODELS[plain]


def _view(model: ClipModel, network: Any) -> View:
    """Return the model's view at the size of the weights at hand."""
    size = getattr(network.visual, "image_size", None) or network.visual.trunk.patch_embed.img_size
    return View(int(size[0] if isinstance(size, tuple) else size), model.view.mean, model.view.std, model.view.resize)


class _TextTower(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.network.encode_text(tokens)
        return found


class Tokenizer:
    """Texts to token numbers: CLIP's own byte pairs, or a tokenizer file beside the weights (SigLIP)."""

    def __init__(self, model: ClipModel, context_length: int) -> None:
        self._file = model.spec.weights[1] if len(model.spec.weights) > 1 else None
        self._length = context_length
        self._name = model.name
        self._made: Any = None

    def examples(self) -> Tensor:
        """Return tokens of the shape to come, (2, context length)."""
        tokens = torch.zeros(2, self._length, dtype=torch.int64)
        tokens[:, -1] = 1
        return tokens

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return (N, context length) int64; raises `WeightsMissingError` without the tokenizer's file."""
        if self._file is not None:
            return self._from_file(texts)
        if self._made is None:
            import open_clip

            known = open_clip.get_model_config(self._name)
            self._made = open_clip.get_tokenizer(self._name) if known else open_clip.tokenizer.SimpleTokenizer()
        tokens: Tensor = self._made(list(texts), context_length=self._length)
        return tokens

    def _from_file(self, texts: Sequence[str]) -> Tensor:
        from open_clip.tokenizer import canonicalize_text

        if self._made is None:
            self._made = _read_tokenizer(self._file)
        end = self._made.token_to_id("</s>") or 1
        rows = [self._made.encode(canonicalize_text(text), add_special_tokens=False).ids for text in texts]
        padded = [[*row[: self._length - 1], end] + [end] * (self._length - 1 - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.int64)


def _read_tokenizer(file: WeightFile | None) -> Any:
    if file is None:
        raise UnknownModelError("this model has no tokenizer file")
    try:
        from tokenizers import Tokenizer as FastTokenizer
    except ImportError as exc:
        raise MissingDependencyError("SigLIP's texts need tokenizers: pip install 'geolocator[models]'") from exc
    return FastTokenizer.from_str(json.dumps(json.loads(require(file).read_text(encoding="utf-8"))))
