"""How the readout of a vision transformer changes with the last attention, for one picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from photos.vision.mask_inversion.tower import Norm, Tower


@dataclass(frozen=True, slots=True, eq=False)
class LastAttention:
    """What the relevance of any embedding is computed from: the derivative of the unit readout, token by token.

    With `values` (heads, places, head width) the columns of `jacobian` (N, D, heads * head width) are the
    attention's output; without, those of (N, D, heads * places) are the attention itself. One matrix a token
    multiplies a few embeddings twice as fast as one of all tokens: a product of very few rows is cut badly.
    """

    jacobian: Tensor
    values: Tensor | None
    places: int
    range_epsilon: float

    def relevance(self, embeddings: Tensor) -> Tensor:
        """Return (B, places): relu of the gradient of `embedding . readout` by the attention probabilities,
        averaged over heads and query tokens. `embeddings` is (B, D)."""
        tokens, count = len(self.jacobian), len(embeddings)
        gradient = torch.bmm(embeddings.expand(tokens, -1, -1), self.jacobian)
        if self.values is None:
            return gradient.view(tokens, count, -1, self.places).clamp(min=0).mean(dim=(0, 2))
        heads, _places, width = self.values.shape
        by_output = gradient.view(tokens, count, heads, width).permute(2, 0, 1, 3)
        by_attention = by_output.flatten(1, 2) @ self.values.transpose(1, 2)
        return by_attention.view(heads, tokens, count, self.places).clamp(min=0).mean(dim=(0, 1))


@torch.no_grad()
def linearise(tower: Tower, tokens: Tensor) -> LastAttention:
    """Return the closed form of the last block for one picture; `tokens` (N, W) are the block's input.

    Costs N * D * W * 5 W multiplications, once for any number of masks and steps.
    """
    values, attended = _attend(tower, tokens)
    after_attention = tokens + tower.out(attended)
    values = values[:, tower.leading_tokens :]
    _heads, places, width = values.shape
    folded = places <= width
    out = _fold(tower.out.weight, values) if folded else tower.out.weight
    jacobian = _by_attention_output(tower, after_attention, out)
    return LastAttention(jacobian, None if folded else values, places, tower.range_epsilon)


def _fold(out: Tensor, values: Tensor) -> Tensor:
    """Return (W, heads * places): `out` (W, heads * head width) after the values, by attention probability."""
    heads, _places, width = values.shape
    by_head = out.view(len(out), heads, width).transpose(0, 1)
    return (by_head @ values.transpose(1, 2)).transpose(0, 1).flatten(1)


def _by_attention_output(tower: Tower, after_attention: Tensor, out: Tensor) -> Tensor:
    """Return (N, D, K): the unit readout's derivative by what `out` (W, K) takes in, token by token."""
    standard, deviation = tower.norm2.standardise(after_attention)
    hidden = tower.fc1(standard * tower.norm2.weight + tower.norm2.bias)
    slopes = _slopes(tower, hidden)
    readout = _Readout(tower, after_attention + tower.fc2(tower.activation(hidden)), out)
    inner = _centred_rows(tower.fc1.weight * tower.norm2.weight) @ out
    hidden_by_standard = tower.fc1.weight @ (standard * tower.norm2.weight).T
    standard_by_input = standard @ out / standard.shape[1]
    jacobian = out.new_empty(len(standard), readout.rows, out.shape[1])
    for token in range(len(standard)):
        by_hidden = readout.times_fc2(token) * slopes[token]
        along = by_hidden @ hidden_by_standard[:, token]
        through = torch.addr(by_hidden @ inner, along, standard_by_input[token], alpha=-1)
        jacobian[token] = readout.times_out(token) + through / deviation[token]
    return jacobian


def _attend(tower: Tower, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values (heads, N, head width) and the attention's output (N, W) before `out`."""
    split = tower.qkv(tower.norm1(tokens)).view(len(tokens), 3, tower.heads, -1)
    queries, keys, values = split.permute(1, 2, 0, 3)
    attention = (queries @ keys.transpose(1, 2) / queries.shape[-1] ** 0.5).softmax(dim=-1)
    return values, (attention @ values).transpose(0, 1).flatten(1)


def _slopes(tower: Tower, hidden: Tensor) -> Tensor:
    """Return the activation's derivative at `hidden`, of the same shape."""
    with torch.enable_grad():
        at = hidden.clone().requires_grad_()
        (slopes,) = torch.autograd.grad(tower.activation(at).sum(), at)
    return slopes


def _centred_rows(matrix: Tensor) -> Tensor:
    return matrix - matrix.mean(dim=1, keepdim=True)


class _Readout:
    """The readout's derivative by one token of the block's output, times the matrices that come before it.

    A layer normalisation's derivative is (I - 11'/W - zz'/W) / deviation with z the standardised token: times a
    fixed matrix, that is a product made once for all tokens less a rank-one term for each.
    """

    def __init__(self, tower: Tower, output: Tensor, out: Tensor) -> None:
        self._each = tower.norm_each_token
        self._tokens = len(output)
        pooled_from = output if self._each else output.mean(dim=0, keepdim=True)
        self._standard, self._deviation = tower.final.standardise(pooled_from)
        self._front = _by_normalised(tower, tower.final, self._standard)
        self.rows = len(self._front)
        self._out = self._prepare(out)
        self._fc2 = self._prepare(tower.fc2.weight)

    def times_fc2(self, token: int) -> Tensor:
        """Return (D, hidden)."""
        return self._times(self._fc2, token)

    def times_out(self, token: int) -> Tensor:
        """Return (D, K)."""
        return self._times(self._out, token)

    def _prepare(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shared product with `matrix` (W, K), or all of it where tokens are averaged first."""
        shared = _centred_rows(self._front) @ matrix
        along = self._standard @ matrix / matrix.shape[0]
        return (shared, along) if self._each else (self._corrected(shared, along, 0), along)

    def _times(self, prepared: tuple[Tensor, Tensor], token: int) -> Tensor:
        shared, along = prepared
        return self._corrected(shared, along, token) if self._each else shared

    def _corrected(self, shared: Tensor, along: Tensor, token: int) -> Tensor:
        correction = torch.outer(self._front @ self._standard[token], along[token])
        return (shared - correction) / (self._deviation[token] * self._tokens)


def _by_normalised(tower: Tower, final: Norm, standard: Tensor) -> Tensor:
    """Return (D, W): the derivative of the unit readout by the mean of the standardised tokens."""
    projection = final.weight.diag() if tower.projection is None else final.weight[:, None] * tower.projection
    offset = final.bias if tower.projection is None else final.bias @ tower.projection
    readout = standard.mean(dim=0) @ projection + offset
    length = readout.norm()
    unit = readout / length
    derivative: Tensor = (projection.T - torch.outer(unit, projection @ unit)) / length
    return derivative
