"""Where networks run: torch on a GPU, OpenVINO on a CPU, behind one small seam.

An engine takes a torch module and gives back a `Network`, a function of tensors. Everything else (prompts,
preprocessing, masks) stays in torch and NumPy and does not know where the network runs.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from photos.vision import configuration
from photos.vision.errors import MissingDependencyError, VisionError

ENGINE_NAMES: Final = ("auto", "torch", "openvino")
PRECISIONS: Final = ("auto", "f32", "bf16")

Shape: TypeAlias = Sequence[int]


class Network(Protocol):
    """A network ready to run: tensors in, tensors out, both on the engine's device; float32 outside."""

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]: ...


class Engine(Protocol):
    """Something that runs networks. `precision` is "f32" or "bf16"."""

    name: str
    precision: str
    device: torch.device

    def compile(
        self,
        module: nn.Module,
        examples: Sequence[Tensor],
        *,
        batched: Sequence[bool],
        static: bool = False,
        exact: bool = False,
    ) -> Network:
        """Return the module as a network.

        `examples` are inputs of the shapes to come; an input whose `batched` is true may later hold any number
        of rows, which are run in portions that fit. With `static` those portions have the example's size. `exact`
        computes in f32 whatever the engine's precision.
        """
        ...


def get_engine(name: str = "", *, precision: str = "auto") -> Engine:
    """Return the engine of that name, or the configuration's, made once per process.

    "auto" is torch where there is a GPU (CUDA, Apple's MPS), OpenVINO on a CPU, torch where OpenVINO is not
    installed. The precision "auto" is bf16 where the hardware computes in it, else f32. Raises `VisionError` for
    an unknown name and `MissingDependencyError`.
    """
    chosen = name or configuration.current().vision_engine
    if chosen not in ENGINE_NAMES:
        raise VisionError(f"unknown engine {chosen!r} (VISION_ENGINE); use one of {', '.join(ENGINE_NAMES)}")
    if precision not in PRECISIONS:
        raise VisionError(f"unknown precision {precision!r}; use one of {', '.join(PRECISIONS)}")
    return _make_engine(chosen if chosen != "auto" else _best_engine(), precision)


def _best_engine() -> str:
    on_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    return "torch" if on_gpu or importlib.util.find_spec("openvino") is None else "openvino"


@functools.cache
def _make_engine(name: str, precision: str) -> Engine:
    if name == "torch":
        from photos.vision.engines.torch_engine import TorchEngine

        return TorchEngine(precision=precision)
    if importlib.util.find_spec("openvino") is None:
        raise MissingDependencyError(
            "VISION_ENGINE=openvino needs OpenVINO: pip install 'geolocator[models]', or use VISION_ENGINE=torch"
        )
    from photos.vision.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(precision=precision)
