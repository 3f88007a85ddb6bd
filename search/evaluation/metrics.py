"""Measures of a ranking, as the field defines them."""

from __future__ import annotations

from collections.abc import Sequence


def average_precision(relevant: Sequence[bool], total: int | None = None) -> float:
    """Return the mean of the precisions at each relevant place of a ranking, in 0..1.

    `relevant` tells for each place, best first, whether what stands there is relevant; `total` is how many
    relevant ones there are, those not retrieved included (they count 0). Raises `ValueError` where there is
    none to find or more are found than there are.
    """
    found = sum(map(bool, relevant))
    total = found if total is None else total
    if total < 1 or found > total:
        raise ValueError(f"{found} relevant ones were found of {total}; there must be at least one, and no more found")
    hits, precisions = 0, 0.0
    for place, is_relevant in enumerate(relevant, start=1):
        if is_relevant:
            hits += 1
            precisions += hits / place
    return precisions / total


def recall_at_k(relevant: Sequence[bool], k: int) -> float:
    """Return 1.0 if any of the first `k` is relevant, else 0.0, as instance retrieval counts R@k."""
    if k < 1:
        raise ValueError(f"k must be 1 or more, got {k}")
    return float(any(relevant[:k]))
