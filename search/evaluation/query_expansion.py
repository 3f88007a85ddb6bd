"""Queries moved towards what they found: alpha-weighted query expansion.

The new query is the old one plus its nearest neighbours, each weighted by its similarity to the power of `alpha`:
0 takes them all alike, 1 is what ILIAS does, 3 is alphaQE's usual choice (Radenović et al. 2018, arXiv 1711.02512).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def expand_queries(
    queries: NDArray[Any], neighbours: NDArray[Any], similarities: NDArray[Any], *, alpha: float = 1.0
) -> NDArray[np.float32]:
    """Return (Q, D) float32 queries of unit norm from (Q, D) ones, their (Q, N, D) neighbours and (Q, N) similarities.

    Neighbours with a similarity below 0 do not count. Raises `ValueError` for shapes that do not go together and an
    `alpha` below 0.
    """
    if alpha < 0:
        raise ValueError(f"alpha must be 0 or more, got {alpha}")
    if neighbours.shape[::2] != queries.shape or similarities.shape != neighbours.shape[:2]:
        raise ValueError(
            f"queries {queries.shape}, neighbours {neighbours.shape} and similarities {similarities.shape}"
        )
    positive = np.asarray(similarities, dtype=np.float64)
    weights = np.where(positive > 0, np.maximum(positive, 0.0) ** alpha, 0.0)
    moved = queries.astype(np.float64) + np.einsum("qn,qnd->qd", weights, neighbours.astype(np.float64))
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.where(norms > 0, norms, 1.0), dtype=np.float32)
