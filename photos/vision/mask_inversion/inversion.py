"""The search for the embeddings whose relevance maps are the given masks."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from photos.vision.errors import VisionError
from photos.vision.mask_inversion.jacobian import LastAttention

LEARNING_RATE: Final = 0.1
_SMOOTH: Final = 1e-6


@torch.enable_grad()
def invert_masks(
    attention: LastAttention,
    global_feature: Tensor,
    masks: Tensor,
    *,
    mi_alpha: float = 0.03,
    mi_steps: int = 100,
) -> Tensor:
    """Return (B, D) embeddings, not of unit norm, whose relevance maps fit the masks.

    `global_feature` is (D,), before normalisation: where each search starts and what it is held to. `masks` is
    (B, S, S) in 0..1 over the network's square input. Every mask is scaled and searched on its own, all at once:
    AdamW (rate 0.1, no decay) on `1 - Dice(relevance, mask) + mi_alpha * (1 - cosine(embedding, global))`.
    """
    maps = _Maps(attention, masks.to(global_feature.dtype))
    embeddings = global_feature.expand(len(masks), -1).clone().requires_grad_()
    optimiser = torch.optim.AdamW([embeddings], lr=LEARNING_RATE, weight_decay=0.0)
    for _step in range(mi_steps):
        unit = embeddings / embeddings.norm(dim=1, keepdim=True)
        astray = 1 - functional.cosine_similarity(embeddings, global_feature[None], dim=1)
        loss = (1 - maps.dice(attention.relevance(unit)) + mi_alpha * astray).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return embeddings.detach()


class _Maps:
    """The Dice coefficient of enlarged, min-max scaled relevance maps with masks, without enlarging the maps.

    Enlarging bilinearly is linear, so sums over pixels are sums over places with the masks reduced once; and
    between two places a bilinear map is extreme at the pixels next to them, so only those are looked at.
    """

    def __init__(self, attention: LastAttention, masks: Tensor) -> None:
        self._side = round(attention.places**0.5)
        if self._side**2 != attention.places or masks.ndim != 3 or masks.shape[1] != masks.shape[2]:
            raise VisionError(
                f"mask inversion needs a square grid of places and square masks; got {attention.places} places, "
                f"masks of shape {tuple(masks.shape)}"
            )
        enlarge = _bilinear_weights(self._side, masks.shape[1]).to(masks)
        self._corners = enlarge[_next_to_places(self._side, masks.shape[1])]
        self._reduced = (enlarge.T @ masks @ enlarge).flatten(1)
        self._all = torch.outer(enlarge.sum(dim=0), enlarge.sum(dim=0)).flatten()
        self._mask_sums = masks.sum(dim=(1, 2))
        self._pixels = masks.shape[1] * masks.shape[2]
        self._epsilon = attention.range_epsilon

    def dice(self, relevance: Tensor) -> Tensor:
        """Return (B,) for relevances (B, places)."""
        grid = relevance.view(-1, self._side, self._side)
        extremes = self._corners @ grid @ self._corners.T
        low, high = extremes.amin(dim=(1, 2)), extremes.amax(dim=(1, 2))
        spread = high - low
        even = spread <= 16 * torch.finfo(spread.dtype).eps * high.abs()
        scale = torch.where(even, 1.0, spread + self._epsilon)  # a map without contrast stays zero
        shared = ((relevance * self._reduced).sum(dim=1) - low * self._mask_sums) / scale
        total = (relevance @ self._all - low * self._pixels) / scale
        dice: Tensor = (2 * shared + _SMOOTH) / (total + self._mask_sums + _SMOOTH)
        return dice


def _bilinear_weights(side: int, size: int) -> Tensor:
    """Return (size, side) float64: how each pixel of an enlarged line mixes the places of the original."""
    lines = torch.eye(side, dtype=torch.float64)[:, None]
    return functional.interpolate(lines, size=size, mode="linear", align_corners=False)[:, 0].T


def _next_to_places(side: int, size: int) -> Tensor:
    """Return the indices of the pixels next to a place's centre, on either side, and of both ends."""
    position = ((torch.arange(size, dtype=torch.float64) + 0.5) * side / size - 0.5).clamp(0, side - 1)
    changes = torch.nonzero(position.floor().diff()).flatten()
    return torch.cat([torch.tensor([0]), changes, changes + 1, torch.tensor([size - 1])]).sort().values
