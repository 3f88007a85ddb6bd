"""A network of torch as a backbone: pictures of any size, of several scales, as a whole or place by place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn

from photos.vision import configuration
from photos.vision.bulk.backbones import LocalDescriptors, Vectors
from photos.vision.bulk.recipe import Recipe
from photos.vision.engines import Engine, Network, get_engine
from photos.vision.errors import VisionError, WeightsCorruptError
from photos.vision.images import DecodedImage

Triple = tuple[float, float, float]


class NetworkBackbone:
    """Shows pictures to `module`, which answers (N, D), or (N, L, D) for the L places of local descriptors.

    Pictures are padded with zeros to a `multiple` of pixels, the network's patch. Where all come at one size, the
    configured engine runs it, else torch.
    """

    def __init__(self, recipe: Recipe, module: nn.Module, *, mean: Triple, std: Triple, multiple: int) -> None:
        self._recipe, self._module, self._mean, self._std = recipe, module.float().eval(), mean, std
        self._multiple = multiple
        self._engine = _engine(recipe)
        self._networks: dict[tuple[int, ...], Network] = {}

    def prepare(self, image: DecodedImage) -> NDArray[np.uint8]:
        """Return the picture as it is shown, (h, w, 3) uint8, before it is normalised and padded."""
        return self._recipe.resizing.show(image.pixels)

    def describe(self, prepared: NDArray[Any]) -> Vectors:
        """Return (N, D) float32: the mean of the unit vectors at all scales, of unit norm."""
        pixels = self._pixels(prepared)
        found = [_unit(self._run(_rescaled(pixels, scale))) for scale in self._recipe.scales]
        vectors = found[0] if len(found) == 1 else _unit(torch.stack(found).mean(dim=0))
        return self._checked(vectors)

    def describe_places(self, prepared: NDArray[Any]) -> list[LocalDescriptors]:
        """Return unit vectors of the patches whose middle lies in the picture."""
        height, width = prepared.shape[1:3]
        pixels = self._pixels(prepared)
        tokens = _unit(self._run(pixels))
        down, across = (-(-length // self._multiple) for length in pixels.shape[2:])
        places = _patch_places((down, across), (height, width), self._multiple)
        inside = ((places >= 0) & (places <= 1)).all(axis=1)
        found = self._checked(tokens[:, -down * across :])
        return [LocalDescriptors(one[inside], places[inside]) for one in found]

    def _pixels(self, prepared: NDArray[Any]) -> Tensor:
        normalised = self._recipe.resizing.normalise(prepared, mean=self._mean, std=self._std)
        return torch.from_numpy(normalised).to(self._engine.device)

    def _run(self, pixels: Tensor) -> Tensor:
        padded = _padded(pixels, self._multiple)
        (features,) = self._network(padded.shape[1:])(padded)
        return features.float()

    def _network(self, shape: tuple[int, ...]) -> Network:
        key = tuple(shape) if self._engine.name == "openvino" else ()
        if key not in self._networks:
            self._networks[key] = self._engine.compile(self._module, [torch.zeros(2, *shape)], batched=[True])
        return self._networks[key]

    def _checked(self, vectors: Tensor) -> Vectors:
        found = vectors.cpu().numpy()
        if not np.isfinite(found).all():
            raise WeightsCorruptError(f"the weights of {self._recipe.model_name!r} give vectors that are not finite")
        return np.asarray(found, np.float32)


def _engine(recipe: Recipe) -> Engine:
    chosen = configuration.current().vision_engine
    if recipe.resizing.is_fixed:
        return get_engine()
    if chosen == "openvino":
        raise VisionError(
            f"OpenVINO runs networks at one size, and {recipe.resizing.transform} gives many; use --compute torch, or "
            "--transform resize_center, resize_square or resize_pad"
        )
    return get_engine("torch")


def _rescaled(pixels: Tensor, scale: float) -> Tensor:
    if scale == 1.0:
        return pixels
    return functional.interpolate(pixels, scale_factor=scale, mode="bicubic", align_corners=False)


def _padded(pixels: Tensor, multiple: int) -> Tensor:
    """Return pictures with zeros around them, as much on both sides, so that patches fit."""
    pads: list[int] = []
    for length in (pixels.shape[3], pixels.shape[2]):
        missing = -length % multiple
        pads += [missing // 2, missing - missing // 2]
    return functional.pad(pixels, pads) if any(pads) else pixels


def _patch_places(grid: tuple[int, int], shown: tuple[int, int], patch: int) -> Vectors:
    """Return (L, 2): where the patches' middles lie, x and y as shares of what was shown."""
    lines = []
    for count, length in zip(grid, shown, strict=True):
        before = (count * patch - length) // 2
        lines.append(((np.arange(count) + 0.5) * patch - before) / length)
    y, x = np.meshgrid(*lines, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _unit(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=-1)
