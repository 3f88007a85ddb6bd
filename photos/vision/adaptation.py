"""Linear adaptation: one layer after an encoder, trained to tell instances apart, as ILIAS evaluates it.

Kordopatis-Zilos et al., "ILIAS: Instance-Level Image retrieval At Scale" (CVPR 2025); its files hold `layer.weight`
(E, D) and `layer.bias` (E,) as torch or safetensors. Every layer makes a space of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photos.vision.errors import InterchangeError, WeightsCorruptError, WeightsMissingError
from photos.vision.interchange.whole_files import whole_file
from photos.vision.types import EncoderSpec
from photos.vision.weights import load_state

_DIGITS = 8


@dataclass(frozen=True, slots=True, eq=False)
class LinearLayer:
    """(N, D) features to (N, E) of unit norm: `weight` (E, D) and `bias` (E,), float32."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that tell this layer from any other."""
        numbers = np.ascontiguousarray(self.weight, "<f4").tobytes() + np.ascontiguousarray(self.bias, "<f4").tobytes()
        return hashlib.sha256(f"{self.weight.shape}".encode() + numbers).hexdigest()[:_DIGITS]

    def apply(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return (N, E) float32 of unit norm; raises `InterchangeError` for features of another length."""
        if features.ndim != 2 or features.shape[1] != self.weight.shape[1]:
            raise InterchangeError(f"the layer takes {self.weight.shape[1]} numbers, features have {features.shape}")
        adapted = features.astype(np.float32) @ self.weight.T + self.bias
        norms = np.linalg.norm(adapted, axis=1, keepdims=True)
        return np.asarray(adapted / np.maximum(norms, 1e-12), dtype=np.float32)


def read_layer(path: Path) -> LinearLayer:
    """Read a layer, ILIAS's `.pth` or our `.safetensors`; nothing in it is run.

    Raises `WeightsMissingError` where there is no file and `WeightsCorruptError` where it holds something else.
    """
    if not path.is_file():
        raise WeightsMissingError(f"there is no layer {path}; `python -m photos.vision adapt` trains one")
    found = {name.removeprefix("layer."): tensor for name, tensor in load_state(path).items()}
    if found.keys() - {"weight", "bias"} or "weight" not in found or found["weight"].ndim != 2:
        raise WeightsCorruptError(f"{path} is no linear layer: it holds {', '.join(sorted(found)) or 'nothing'}")
    weight = np.ascontiguousarray(found["weight"].float().numpy())
    bias = found["bias"].float().numpy() if "bias" in found else np.zeros(len(weight), np.float32)
    if bias.shape != weight.shape[:1] or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise WeightsCorruptError(
            f"{path} is no linear layer: weight {weight.shape}, bias {bias.shape}, finite numbers"
        )
    return LinearLayer(weight, np.ascontiguousarray(bias))


def write_layer(path: Path, layer: LinearLayer, *, notes: dict[str, str] | None = None) -> None:
    """Write a layer as safetensors under ILIAS's names, whole or not at all."""
    if path.suffix != ".safetensors":
        raise InterchangeError(f"{path}: layers are written as .safetensors")
    from safetensors.numpy import save_file

    with whole_file(path) as temporary:
        save_file({"layer.weight": layer.weight, "layer.bias": layer.bias}, temporary, metadata=notes)


def adapted_spec(spec: EncoderSpec, layer: LinearLayer) -> EncoderSpec:
    """Return the space of an encoder with this layer behind it; raises `InterchangeError` where they do not fit."""
    if layer.weight.shape[1] != spec.dimensions:
        raise InterchangeError(
            f"the layer takes {layer.weight.shape[1]} numbers, {spec.slug!r} gives {spec.dimensions}"
        )
    suffix = f"lin-{layer.digest}"
    return replace(
        spec,
        slug=f"{spec.slug}+{suffix}",
        dimensions=len(layer.weight),
        preprocessing=f"{spec.preprocessing}; {suffix}",
    )
