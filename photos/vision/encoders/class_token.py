"""A vision tower that works out its last block only where it is read: at the class token."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def only_what_is_read(visual: nn.Module) -> nn.Module:
    """Return a tower of the same answers (N, D), without the last block's work for places that nobody reads.

    Of a 12-block tower that is a fifteenth. Towers that read more than the class token are returned as they are.
    """
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

    if not isinstance(visual, VisionTransformer) or visual.pool_type != "tok" or visual.attn_pool is not None:
        return visual
    blocks: Any = visual.transformer.resblocks
    plain = isinstance(blocks[-1], ResidualAttentionBlock) and visual.transformer.batch_first
    return ClassTokenTower(visual) if plain else visual


class ClassTokenTower(nn.Module):
    """open_clip's `VisionTransformer` with a class token."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the features (N, D) of pictures (N, 3, S, S)."""
        visual: Any = self.visual
        tokens = visual._embeds(pixels)
        *blocks, last = visual.transformer.resblocks
        for block in blocks:
            tokens = block(tokens)
        seen = last.ln_1(tokens)
        read = tokens[:, :1] + last.ls_1(last.attention(seen[:, :1], seen, seen))
        read = read + last.ls_2(last.mlp(last.ln_2(read)))
        pooled, _others = visual._pool(read)
        features: Tensor = pooled if visual.proj is None else pooled @ visual.proj
        return features
