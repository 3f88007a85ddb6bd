"""Networks and other describers behind one small contract: one framework a file."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from photos.vision import weights
from photos.vision.bulk.recipe import Recipe
from photos.vision.errors import WeightsMissingError
from photos.vision.images import DecodedImage
from photos.vision.types import WeightFile

Vectors: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LocalDescriptors:
    """What a picture has at its places: `vectors` (L, D) float32 and `places` (L, 2), x and y in 0..1 of it."""

    vectors: Vectors
    places: Vectors


class Backbone(Protocol):
    """Describes pictures in two steps: each by itself, in any thread; then those of one shape together."""

    def prepare(self, image: DecodedImage) -> NDArray[Any]:
        """Return what the second step takes; raises `ImageRefused` for a blank picture."""
        ...

    def describe(self, prepared: NDArray[Any]) -> Vectors:
        """Return (N, D) float32 of unit norm for (N, ...) prepared pictures."""
        ...


class LocalBackbone(Backbone, Protocol):
    """A backbone with descriptors of a picture's places."""

    def describe_places(self, prepared: NDArray[Any]) -> list[LocalDescriptors]: ...


class TextBackbone(Protocol):
    """Describes texts in the space of the same model's pictures."""

    def describe_texts(self, texts: Sequence[str]) -> Vectors: ...


_MODULES: Final = {
    "classical": "photos.vision.bulk.backbones.classical",
    "open_clip": "photos.vision.bulk.backbones.open_clip",
    "timm": "photos.vision.bulk.backbones.timm",
    "transformers": "photos.vision.bulk.backbones.transformers",
}


def load_backbone(recipe: Recipe) -> Backbone:
    """Load a recipe's model.

    Raises `UnknownModelError`, `WeightsMissingError`, `WeightsCorruptError` and `MissingDependencyError`, each saying
    what to do.
    """
    return cast("Backbone", importlib.import_module(_MODULES[recipe.framework]).load(recipe))


def load_text_backbone(recipe: Recipe) -> TextBackbone:
    """Load a recipe's text tower; raises as `load_backbone` does."""
    return cast("TextBackbone", importlib.import_module(_MODULES[recipe.framework]).load_text(recipe))


def model_files(recipe: Recipe) -> list[WeightFile]:
    """Return the files that a recipe's model needs in the folder of weights; none where its own are given."""
    return cast("list[WeightFile]", importlib.import_module(_MODULES[recipe.framework]).files(recipe))


def locate(file: WeightFile) -> Path:
    """Return a file's path; raises `WeightsMissingError` with what to do."""
    if weights.is_present(file):
        return weights.path_of(file)
    copy = f"download {file.url} elsewhere and copy it to {weights.path_of(file)}" if file.url else "check its path"
    raise WeightsMissingError(
        f"The weights {file.name} are not in {weights.model_dir()}. With a network: the same command with --fetch. "
        f"Without: {copy}."
    )
