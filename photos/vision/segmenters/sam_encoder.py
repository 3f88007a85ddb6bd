"""SAM's image encoder, the same function without work on the padding.

Most of its blocks look at windows that do not divide the picture's places (five by five of 14 a side for 64 places),
so the original pads before it projects: of 4900 tokens that go through those projections 804 are padding. Padding is
zero, so what it is projected to is the bias: it is put in after the projection, and taken out before the next.

Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection" (ECCV 2022), is the function.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class PictureEncoder(nn.Module):
    """The image encoder of a `Sam`."""

    def __init__(self, sam: Any) -> None:
        super().__init__()
        original = sam.image_encoder
        self.patches, self.neck = original.patch_embed, original.neck
        self.positions = original.pos_embed
        self.blocks = nn.ModuleList(
            WindowedBlock(block) if block.window_size > 0 else block for block in original.blocks
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the embedding (1, C, g, g) of a normalised, padded picture (1, 3, S, S)."""
        places = self.patches(pixels) + self.positions
        for block in self.blocks:
            places = block(places)
        embedding: Tensor = self.neck(places.permute(0, 3, 1, 2))
        return embedding


class WindowedBlock(nn.Module):
    """A block whose places attend to those of their own window."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.original = block

    def forward(self, places: Tensor) -> Tensor:
        """Return the places (1, g, g, W)."""
        block: Any = self.original
        places = places + self._attend(block.norm1(places))
        after: Tensor = places + block.mlp(block.norm2(places))
        return after

    def _attend(self, places: Tensor) -> Tensor:
        from segment_anything.modeling.image_encoder import add_decomposed_rel_pos, window_partition, window_unpartition

        block: Any = self.original
        attention, side = block.attn, block.window_size
        padded = padded_with(attention.qkv(places), attention.qkv.bias, side)
        windows, padded_size = window_partition(padded, side)
        projected = windows.reshape(len(windows), side * side, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = projected.flatten(1, 2).unbind(0)
        scores = (query * attention.scale) @ key.transpose(1, 2)
        scores = add_decomposed_rel_pos(
            scores, query, attention.rel_pos_h, attention.rel_pos_w, (side, side), (side, side)
        )
        found = (scores.softmax(dim=2) @ value).unflatten(0, (len(windows), -1)).transpose(1, 2)
        joined = window_unpartition(
            found.reshape(-1, side, side, places.shape[3]), side, padded_size, places.shape[1:3]
        )
        answer: Tensor = attention.proj(joined)
        return answer


def padded_with(rows: Tensor, padding: Tensor, side: int) -> Tensor:
    """Return (1, h, w, C) with `padding` (C,) at the right and below, up to multiples of `side`."""
    _one, height, width, channels = rows.shape
    below, beside = -height % side, -width % side
    wide = torch.cat([rows, padding.expand(1, height, beside, channels)], dim=2)
    return torch.cat([wide, padding.expand(1, below, width + beside, channels)], dim=1)
