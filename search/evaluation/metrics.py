"""Measures of a ranking, as the field defines them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


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


def average_precision_at_k(
    relevant: Sequence[bool], similarities: Sequence[float] | NDArray[Any], *, total: int, k: int | None = None
) -> float:
    """Return AP@k as ILIAS defines it, in 0..1: the precisions at the relevant places of the first `k`, summed, over
    the most that `k` places can hold of the `total` relevant ones; without a `k`, over all places and all relevant.

    `similarities` go with `relevant`, best first. Equals share the precision at the last of them, so that their
    order, which means nothing, changes nothing within the first `k`. Raises `ValueError` as `average_precision`.
    """
    if len(relevant) != len(similarities):
        raise ValueError(f"{len(relevant)} places and {len(similarities)} similarities")
    if k is not None and k < 1:
        raise ValueError(f"k must be 1 or more, got {k}")
    flags = np.asarray(relevant, dtype=np.bool_)[:k]
    values = np.asarray(similarities, dtype=np.float64)[:k]
    if np.any(values[1:] > values[:-1]) or not np.isfinite(values).all():
        raise ValueError("similarities must be finite and fall from place to place")
    hits = np.cumsum(flags)
    if total < 1 or (len(hits) and hits[-1] > total):
        raise ValueError(f"{hits[-1:]} relevant ones were found of {total}; there must be at least one")
    last_of_equals = np.searchsorted(-values, -values, side="right") - 1
    precisions = hits[last_of_equals] / (last_of_equals + 1)
    return float(precisions[flags].sum() / (total if k is None else min(k, total)))


def oracle_at_k(relevant: Sequence[bool], *, total: int, k: int) -> float:
    """Return the AP@k that the best order of the first `k` would have: what re-ranking them could reach, in 0..1."""
    if k < 1 or total < 1:
        raise ValueError(f"k and total must be 1 or more, got {k} and {total}")
    return sum(map(bool, relevant[:k])) / min(k, total)


def precision_at_k(relevant: Sequence[bool], k: int) -> float:
    """Return the share of relevant ones among the first `k` places; places that are not filled count as wrong."""
    if k < 1:
        raise ValueError(f"k must be 1 or more, got {k}")
    return sum(map(bool, relevant[:k])) / k


def soir_average_precision(relevant: Sequence[bool]) -> float:
    """Return AP as SoIR's script computes it: over the relevant ones *retrieved*, 0 where there is none.

    Where not all of the gallery is retrieved this is higher than AP: what was not found does not count.
    """
    found = sum(map(bool, relevant))
    return average_precision(relevant, found) if found else 0.0


def trapezoidal_average_precision(relevant: Sequence[bool], total: int) -> float:
    """Return AP as revisited Oxford and Paris measure it: the area under the precision-recall line, in 0..1.

    Each relevant place counts the mean of the precisions just before it and at it (Radenović et al. 2018).
    """
    found = sum(map(bool, relevant))
    if total < 1 or found > total:
        raise ValueError(f"{found} relevant ones were found of {total}; there must be at least one, and no more found")
    area, hits = 0.0, 0
    for place, is_relevant in enumerate(relevant):
        if is_relevant:
            before = hits / place if place else 1.0
            hits += 1
            area += (before + hits / (place + 1)) / 2
    return area / total


def revisited_precision_at_k(relevant: Sequence[bool], k: int, *, total: int) -> float:
    """Return mP@k of revisited Oxford and Paris: over `k` places, or fewer where the last relevant one comes sooner."""
    if k < 1 or total < 1:
        raise ValueError(f"k and total must be 1 or more, got {k} and {total}")
    places = [place for place, is_relevant in enumerate(relevant, start=1) if is_relevant]
    counted = min(places[-1], k) if len(places) == total else k
    return sum(place <= counted for place in places) / counted
