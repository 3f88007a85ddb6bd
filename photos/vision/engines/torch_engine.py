"""torch as the engine: CUDA in bf16, Apple's MPS and the CPU in f32."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

from photos.vision.errors import GpuMemoryError

_GROWS_AFTER: Final = 64
"""Portions that fit before twice as many rows are tried: what fails costs little so, and memory comes back."""


class TorchEngine:
    """Run networks with torch itself, on the best device there is."""

    name = "torch"

    def __init__(self, *, precision: str = "auto", device: torch.device | None = None) -> None:
        self.device = device or best_device()
        fast = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        self.precision = ("bf16" if fast else "f32") if precision == "auto" else precision

    def compile(
        self,
        module: nn.Module,
        examples: Sequence[Tensor],
        *,
        batched: Sequence[bool],
        static: bool = False,
        exact: bool = False,
    ) -> TorchNetwork:
        """Return the module on the device; the given one is left as it is. Raises `GpuMemoryError`."""
        limit = next(len(one) for one, rows in zip(examples, batched, strict=True) if rows) if static else None
        dtype = torch.bfloat16 if self.precision == "bf16" and not exact else torch.float32
        with telling_gpu_memory():
            placed = copy.deepcopy(module).eval().requires_grad_(False).to(self.device, dtype)
        return TorchNetwork(placed, batched, device=self.device, dtype=dtype, limit=limit)


class TorchNetwork:
    """A module that is run in portions; where memory runs out, in smaller ones, which grow back when they fit."""

    def __init__(
        self,
        module: nn.Module,
        batched: Sequence[bool],
        *,
        device: torch.device,
        dtype: torch.dtype,
        limit: int | None = None,
    ) -> None:
        self._module = module
        self._batched = tuple(batched)
        self._device = device
        self._dtype = dtype
        self._limit = self._most = limit
        self._fitted = 0

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        rows = next(len(one) for one, many in zip(inputs, self._batched, strict=True) if many)
        outputs: list[tuple[Tensor, ...]] = []
        start = 0
        while start < rows:
            stop = min(rows, start + (self._limit or rows))
            try:
                outputs.append(self._run(inputs, slice(start, stop)))
            except RuntimeError as exc:
                if not is_out_of_memory(exc):
                    raise
                self._take_less(stop - start, exc)
            else:
                self._take_more(stop - start)
                start = stop
        with telling_gpu_memory():
            return tuple(torch.cat(parts).float() for parts in zip(*outputs, strict=True))

    def _placed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, self._dtype if tensor.is_floating_point() else None)

    def _run(self, inputs: Sequence[Tensor], rows: slice) -> tuple[Tensor, ...]:
        portion = [self._placed(one[rows] if many else one) for one, many in zip(inputs, self._batched, strict=True)]
        found = self._module(*portion)
        return found if isinstance(found, tuple) else (found,)

    def _take_less(self, tried: int, exc: Exception) -> None:
        if tried == 1:
            raise GpuMemoryError from exc
        self._limit, self._fitted = tried // 2, 0
        if self._device.type != "cpu":
            torch.accelerator.empty_cache()

    def _take_more(self, fitted: int) -> None:
        """Double a limit that memory has set, once enough portions of that size have fitted."""
        if self._limit is None or self._limit == self._most or fitted < self._limit:
            return
        self._fitted += 1
        if self._fitted >= _GROWS_AFTER:
            self._limit, self._fitted = min(2 * self._limit, self._most or 2 * self._limit), 0


def is_out_of_memory(error: RuntimeError) -> bool:
    """Say whether a GPU's memory ran out: MPS, cuBLAS and cuDNN say so in a plain `RuntimeError`."""
    words = ("out of memory", "_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(one in str(error) for one in words)


@contextmanager
def telling_gpu_memory() -> Iterator[None]:
    """Raise `GpuMemoryError` where a GPU's memory runs out."""
    try:
        yield
    except RuntimeError as exc:
        if not is_out_of_memory(exc):
            raise
        raise GpuMemoryError from exc


def best_device() -> torch.device:
    """Return CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
