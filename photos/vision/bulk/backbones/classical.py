"""The descriptors that need no weights: `classical-512` and RootSIFT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from photos.vision import registry
from photos.vision.bulk.backbones import LocalDescriptors, Vectors
from photos.vision.bulk.recipe import Recipe
from photos.vision.encoders.crops import resize_to
from photos.vision.errors import ImageRefused, UnknownModelError
from photos.vision.images import DecodedImage
from photos.vision.matching.features import extract_local_features
from photos.vision.types import Encoder, Image, WeightFile

_CODE: int = 512
"""RootSIFT is kept as round(512 x) in 8 bits."""


def load(recipe: Recipe) -> ClassicalBackbone:
    if recipe.model_name != "classical-512":
        raise UnknownModelError(
            f"unknown classical model {recipe.model_name!r}; known: classical-512; others need their --framework"
        )
    return ClassicalBackbone(recipe, registry.get_encoder("classical-512"))


def files(_recipe: Recipe) -> list[WeightFile]:
    return []


class ClassicalBackbone:
    """Does all of its work in the first step: nothing is gained by describing several pictures together."""

    def __init__(self, recipe: Recipe, encoder: Encoder) -> None:
        self._recipe, self._encoder = recipe, encoder

    def prepare(self, image: DecodedImage) -> NDArray[Any]:
        """Return the picture's vector, (512,) float32; for local descriptors (L, 130), places first."""
        return self._places(image) if self._recipe.descriptors == "local" else self._vector(image.pixels)

    def describe(self, prepared: NDArray[Any]) -> Vectors:
        return np.asarray(prepared, np.float32)

    def describe_places(self, prepared: NDArray[Any]) -> list[LocalDescriptors]:
        return [LocalDescriptors(one[:, 2:], one[:, :2]) for one in prepared]

    def _vector(self, image: Image) -> Vectors:
        found = self._encoder.encode([_scaled(image, scale) for scale in self._recipe.scales])
        some = [one for one in found if one is not None]
        if not some:
            raise ImageRefused("The picture is blank: there is nothing to describe.", code="blank")
        mean = np.mean(some, axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32) if len(some) > 1 else some[0]

    def _places(self, image: DecodedImage) -> Vectors:
        found = extract_local_features(image.pixels, original_size=(image.width, image.height))
        if not len(found):
            raise ImageRefused("The picture is blank: it has no keypoints.", code="blank")
        places = (found.keypoints + 0.5) / np.array([image.width, image.height], np.float32)
        return np.hstack([places.astype(np.float32), found.descriptors.astype(np.float32) / _CODE])


def _scaled(image: Image, scale: float) -> Image:
    if scale == 1.0:
        return image
    return resize_to(image, max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
