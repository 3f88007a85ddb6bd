"""SAM's mask decoder, the same function in half the work.

The original projects the picture's 4096 places once more for each prompt and attention: to keys, to values, to
queries. But a prompt is only a handful of tokens: it is cheaper to bring the tokens to the places' width than the
places to the tokens'. With q, k, v the projections of one head,

    (x W_q) (y W_k)^T = (x W_q W_k^T) y^T        and        A (y W_v) = (A y) W_v,

so places y are never projected where the left side is smaller. The first layer's places are the same for all
prompts: there the projections themselves are made once. The upscaling works place by place, its channels last, so
that its two transposed convolutions are plain products and only the finished masks are put in order.

Kirillov et al., "Segment Anything" (ICCV 2023), is the function; results differ from segment_anything's by rounding.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class PromptDecoder(nn.Module):
    """The mask decoder of a `Sam` for point or box prompts on one picture."""

    places_pe: Tensor
    no_mask: Tensor

    def __init__(self, sam: Any) -> None:
        super().__init__()
        decoder = sam.mask_decoder
        transformer = decoder.transformer
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        self.own_tokens = nn.Parameter(own.detach().clone(), requires_grad=False)
        dense = sam.prompt_encoder.get_dense_pe().detach()
        self.grid = tuple(dense.shape[2:])
        self.register_buffer("places_pe", dense.flatten(2).transpose(1, 2).clone())
        self.register_buffer("no_mask", sam.prompt_encoder.no_mask_embed.weight.detach().clone())
        self.layers = nn.ModuleList(TwoWayLayer(layer) for layer in transformer.layers)
        self.final_attention = TokensToPlaces(transformer.final_attn_token_to_image)
        self.final_norm = transformer.norm_final_attn
        self.upscaling = Upscaling(decoder.output_upscaling)
        self.heads = decoder.output_hypernetworks_mlps
        self.quality = decoder.iou_prediction_head

    def forward(self, embedding: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, 4, 4g, 4g) and predicted IoU (B, 4) for `embedding` (1, C, g, g), `prompts` (B, 2, C)."""
        asked = torch.cat([self.own_tokens.expand(len(prompts), -1, -1), prompts], dim=1)
        tokens, places = asked, embedding.flatten(2).transpose(1, 2) + self.no_mask
        for layer in self.layers:
            tokens, places = layer(tokens, places, asked, self.places_pe)
        tokens = tokens + self.final_attention(tokens + asked, places + self.places_pe, places)
        tokens = self.final_norm(tokens)
        masks = torch.stack([head(tokens[:, 1 + index]) for index, head in enumerate(self.heads)], dim=2)
        return self.upscaling(places, masks, self.grid), self.quality(tokens[:, 0])


class TwoWayLayer(nn.Module):
    """One layer: the tokens among themselves, then to the places, then the places to the tokens."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.original = layer
        self.tokens_to_places = TokensToPlaces(layer.cross_attn_token_to_image)
        self.places_to_tokens = PlacesToTokens(layer.cross_attn_image_to_token)

    def forward(self, tokens: Tensor, places: Tensor, asked: Tensor, places_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens (B, T, C) and the places (B, N, C); `places` may be (1, N, C), the same for all."""
        layer: Any = self.original
        if layer.skip_first_layer_pe:
            tokens = layer.norm1(layer.self_attn(tokens, tokens, tokens))
        else:
            query = tokens + asked
            tokens = layer.norm1(tokens + layer.self_attn(query, query, tokens))
        placed = places + places_pe
        tokens = layer.norm2(tokens + self.tokens_to_places(tokens + asked, placed, places))
        tokens = layer.norm3(tokens + layer.mlp(tokens))
        return tokens, layer.norm4(places + self.places_to_tokens(placed, tokens + asked, tokens))


class TokensToPlaces(nn.Module):
    """Attention of few tokens to many places."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return (B, T, C) for queries (B, T, C), keys and values (B or 1, N, C)."""
        attention: Any = self.attention
        if len(keys) == 1:
            found: Tensor = attention(queries, keys, values)
            return found
        heads = attention.num_heads
        query = by_head(attention.q_proj(queries), heads)
        width = query.shape[-1]
        # the keys' bias adds the same to all places of a token: the softmax does not see it
        asked = (query @ torch.unflatten(attention.k_proj.weight, 0, (heads, width))).flatten(1, 2)
        scores = asked @ keys.transpose(1, 2) / math.sqrt(width)
        shares = torch.exp(scores - scores.amax(dim=2, keepdim=True))
        gathered = torch.unflatten((shares @ values) / shares.sum(dim=2, keepdim=True), 1, (heads, -1))
        value = torch.unflatten(attention.v_proj.weight, 0, (heads, width)).transpose(1, 2)
        answer = gathered @ value + attention.v_proj.bias.view(heads, 1, width)
        projected: Tensor = attention.out_proj(answer.transpose(1, 2).flatten(2))
        return projected


class PlacesToTokens(nn.Module):
    """Attention of many places to few tokens."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return (B, N, C) for queries (B or 1, N, C), keys and values (B, T, C)."""
        attention: Any = self.attention
        heads = attention.num_heads
        key = by_head(attention.k_proj(keys), heads)
        width = key.shape[-1]
        if len(queries) == 1:
            query = by_head(attention.q_proj(queries), heads)
            scores = key @ query.transpose(2, 3)
        else:
            folded = (key @ torch.unflatten(attention.q_proj.weight, 0, (heads, width))).flatten(1, 2)
            offset = key @ attention.q_proj.bias.view(heads, width, 1)
            scores = torch.unflatten(folded @ queries.transpose(1, 2), 1, (heads, -1)) + offset
        shares = torch.softmax(scores / math.sqrt(width), dim=2).flatten(1, 2)
        out = torch.unflatten(attention.out_proj.weight, 1, (heads, width)).permute(1, 2, 0)
        answers = (by_head(attention.v_proj(values), heads) @ out).flatten(1, 2)
        bias: Tensor = attention.out_proj.bias
        return shares.transpose(1, 2) @ answers + bias


class Upscaling(nn.Module):
    """From places to masks of four times their sides: two transposed convolutions of 2 x 2 and stride 2."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        first, self.norm, self.activation, second, _again = original
        self.first, self.second = as_linear(first), as_linear(second)

    def forward(self, places: Tensor, masks: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return logits (B, M, 4g, 4g) for places (B, g * g, C) and the masks' weights (B, c, M)."""
        quarters = torch.unflatten(self.first(places), 2, (4, -1))
        norm: Any = self.norm
        quarters = nn.functional.layer_norm(quarters, norm.weight.shape, norm.weight, norm.bias, norm.eps)
        parts = torch.unflatten(self.activation(self.second(self.activation(quarters))), 3, (4, -1))
        logits = parts.flatten(1, 3) @ masks
        nested = torch.unflatten(logits, 1, (*grid, 2, 2, 2, 2))  # row, column, then the halves of each, twice
        return nested.permute(0, 7, 1, 3, 5, 2, 4, 6).flatten(2, 4).flatten(3, 5)


def by_head(projected: Tensor, heads: int) -> Tensor:
    """Return (B, H, T, C / H) for (B, T, C)."""
    return torch.unflatten(projected, 2, (heads, -1)).transpose(1, 2)


def as_linear(convolution: nn.ConvTranspose2d) -> nn.Linear:
    """Return a transposed convolution of 2 x 2 and stride 2 as a product: (…, C) to (…, 4 * c), the four in rows."""
    weight = convolution.weight.detach()  # (C, c, 2, 2)
    inside, outside = weight.shape[:2]
    linear = nn.Linear(inside, 4 * outside)
    with torch.no_grad():
        linear.weight.copy_(weight.permute(2, 3, 1, 0).reshape(4 * outside, inside))
        linear.bias.copy_(convolution.bias.detach().repeat(4))  # type: ignore[union-attr]
    return linear.requires_grad_(False)
