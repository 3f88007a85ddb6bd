"""Encoders that are a vision tower on an engine: one network, one view, pictures and segments alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from photos.vision.encoders.crops import View, is_blank, resize_to
from photos.vision.encoders.inverted_spec import MaskInversion
from photos.vision.engines import Engine, Network, get_engine
from photos.vision.engines.torch_engine import is_out_of_memory, telling_gpu_memory
from photos.vision.errors import GpuMemoryError, WeightsCorruptError
from photos.vision.mask_inversion import LastAttention, Tower, invert_masks, linearise
from photos.vision.types import EncoderSpec, Image, SegmentMask

Vector: TypeAlias = NDArray[np.float32]


class VisionTower:
    """Pictures and segments to unit vectors, all of one call in one batch."""

    def __init__(self, spec: EncoderSpec, visual: nn.Module, view: View, *, engine: Engine | None = None) -> None:
        self.spec = spec
        self.view = view
        self.engine = engine or get_engine()
        example = torch.zeros(2, 3, view.size, view.size)
        self._network: Network = self.engine.compile(visual, [example], batched=[True])

    def encode(self, images: Sequence[Image]) -> list[Vector | None]:
        """Return one (D,) vector per picture, None for a blank one."""
        blank = [is_blank(image) for image in images]
        vectors = iter(
            self._encode_shown([self.view.show(one) for one, no in zip(images, blank, strict=True) if not no])
        )
        return [None if no else next(vectors) for no in blank]

    def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[Vector | None]:
        """Return one (D,) vector per segment of the picture, None for an empty one."""
        return self.encode_all(image, segments, with_global=False)[1]

    def encode_all(
        self, image: Image, segments: Sequence[SegmentMask], *, with_global: bool = True
    ) -> tuple[Vector | None, list[Vector | None]]:
        """Return the picture's vector, None for a blank one, and its segments', in one batch."""
        whole = [self.view.show(image)] if with_global and not is_blank(image) else []
        empty = [not segment.mask.any() for segment in segments]
        crops = [self.view.show_segment(image, one) for one, no in zip(segments, empty, strict=True) if not no]
        vectors = iter(self._encode_shown(whole + crops))
        return next(vectors) if whole else None, [None if no else next(vectors) for no in empty]

    def _encode_shown(self, shown: list[Image]) -> list[Vector]:
        if not shown:
            return []
        (features,) = self._network(torch.from_numpy(self.view.normalise(shown)))
        return list(unit_rows(features, self.spec))


class MaskInvertingTower:
    """Segments by mask inversion: each vector's relevance map on the whole picture is the segment's mask.

    The whole picture is fitted to the square, so that no segment is cut off; its own vector is the base's.
    """

    def __init__(
        self,
        base: VisionTower,
        visual: nn.Module,
        last_block: nn.Module,
        *,
        read_tower: Callable[[nn.Module], Tower],
        settings: MaskInversion,
        spec: EncoderSpec,
    ) -> None:
        self.spec = spec
        self.settings = settings
        self._base = base
        with telling_gpu_memory():
            self._visual = visual.float().eval().requires_grad_(False).to(base.engine.device)
        self._tower = read_tower(self._visual)  # once it is where it runs
        self._last_block = last_block

    def encode(self, images: Sequence[Image]) -> list[Vector | None]:
        """Return one (D,) vector per picture, None for a blank one."""
        return self._base.encode(images)

    def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[Vector | None]:
        """Return one (D,) vector per segment of the picture, None for an empty one."""
        some = [segment.mask for segment in segments if segment.mask.any()]
        if not some or is_blank(image):
            return [None] * len(segments)
        side = self._base.view.size
        fitted = [cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA) for mask in some]
        with telling_gpu_memory():
            feature, tokens = self._run(image)
            masks = torch.from_numpy(np.stack(fitted)).to(feature.device)
            attention = linearise(self._tower, tokens)
        vectors = iter(unit_rows(self._invert(attention, feature, masks), self.spec))
        return [next(vectors) if segment.mask.any() else None for segment in segments]

    def encode_all(self, image: Image, segments: Sequence[SegmentMask]) -> tuple[Vector | None, list[Vector | None]]:
        """Return the picture's vector, None for a blank one, and its segments'."""
        return self.encode([image])[0], self.encode_segments(image, segments)

    def _invert(self, attention: LastAttention, feature: Tensor, masks: Tensor) -> Tensor:
        """Return (B, D); where a GPU's memory runs out, for half of the masks at a time: each is searched alone."""
        settings = self.settings
        try:
            return invert_masks(attention, feature, masks, mi_alpha=settings.mi_alpha, mi_steps=settings.mi_steps)
        except RuntimeError as exc:
            if not is_out_of_memory(exc):
                raise
            if len(masks) == 1:
                raise GpuMemoryError from exc
        halves = masks.tensor_split(2)
        return torch.cat([self._invert(attention, feature, half) for half in halves])

    @torch.no_grad()
    def _run(self, image: Image) -> tuple[Tensor, Tensor]:
        """Return the picture's feature (D,) and the tokens (N, W) that go into the last block."""
        view = self._base.view
        pixels = torch.from_numpy(view.normalise([resize_to(image, view.size, view.size)]))
        seen: list[Tensor] = []
        hook = self._last_block.register_forward_pre_hook(_keeper(seen))
        try:
            feature = self._visual(pixels.to(self._base.engine.device))[0]
        finally:
            hook.remove()
        return feature, seen[0][0]


def _keeper(seen: list[Tensor]) -> Callable[[nn.Module, Any], None]:
    return lambda _module, given: seen.append(given[0])


def unit_rows(features: Tensor, spec: EncoderSpec) -> Vector:
    """Return (N, D) float32 of unit norm; raises `WeightsCorruptError` where the weights do not fit the space."""
    rows = features.float().cpu().numpy()
    if rows.shape[1] != spec.dimensions:
        raise WeightsCorruptError(f"expected {spec.dimensions} dimensions for {spec.slug!r}, got {rows.shape[1]}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or not (norms > 0).all():
        raise WeightsCorruptError(f"the weights of {spec.slug!r} give vectors that are not finite")
    return np.asarray(rows / norms, np.float32)
