"""The hybrid search as one would write it first: a query per vector, a fetch per candidate, the score in Python.

It uses the same indexes, asks for as many neighbours and counts the same score as `search.candidates`; only what it
does with them differs: all query segments look for candidates, and every candidate's vectors come over to Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from django.db import connection
from pgvector import HalfVector
from psycopg import sql

from photos import vectors
from photos.models import EmbeddingSpace, PhotoEmbedding, SegmentEmbedding
from search.candidates import GLOBAL_NEIGHBOURS, SEGMENT_NEIGHBOURS, Likeness, Weights, weights_for
from search.distinctiveness import NEIGHBOURS, NEUTRAL, SOFTNESS
from search.ranking_models import SegmentWeight
from search.types import Query
from tests.benchmarks.search_places import Floats

_VISIBLE: Final = sql.SQL("p.visibility = 'public'")
_PART_WORTH: Final = Likeness().part_worth or 0.0


def search(query: Query, space: EmbeddingSpace, *, limit: int, together: bool = False) -> list[int]:
    """Return the ids of the best photos; `together` fetches all candidates at once, in binary: what one mends first."""
    asked = np.stack([one.embedding for one in query.segments])
    ids = sorted(_candidates(query.embedding, asked, space))
    wholes, parts = _fetch(ids, space) if together else _fetch_each(ids, space)
    forward = {pk: asked @ parts[pk].T for pk in ids}
    weights = np.array([_weight(number, forward, space) for number in range(len(asked))])
    shares = weights_for(space)
    scores = {pk: _score(query.embedding, asked, wholes[pk], parts[pk], weights, shares) for pk in ids}
    return sorted(ids, key=lambda pk: (-scores[pk], pk))[:limit]


def _candidates(whole: Floats, asked: Floats, space: EmbeddingSpace) -> set[int]:
    query = sql.Placeholder("query")
    nearest_photos = vectors.nearest_photos_sql(space, query=query, limit=sql.Placeholder("n"), where=_VISIBLE)
    nearest_segments = vectors.nearest_segments_sql(space, query=query, limit=sql.Placeholder("n"), where=_VISIBLE)
    found = set(_ask(nearest_photos, whole, GLOBAL_NEIGHBOURS))
    for vector in asked:
        found |= set(_ask(nearest_segments, vector, SEGMENT_NEIGHBOURS))
        found |= set(_ask(nearest_photos, vector, SEGMENT_NEIGHBOURS))
    return found | set(_ask(nearest_segments, whole, SEGMENT_NEIGHBOURS))


def _ask(statement: sql.Composed, vector: Floats, count: int) -> Iterable[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"query": HalfVector(vector).to_text(), "n": count})
        return [row[0] for row in cursor.fetchall()]


def _fetch_each(ids: Sequence[int], space: EmbeddingSpace) -> tuple[dict[int, Floats], dict[int, Floats]]:
    wholes, parts = {}, {}
    for pk in ids:
        wholes[pk] = _numbers(PhotoEmbedding.objects.get(space=space, photo_id=pk).vector)
        rows = SegmentEmbedding.objects.filter(space=space, photo_id=pk).order_by("rank")
        parts[pk] = np.stack([_numbers(row.vector) for row in rows] or [wholes[pk]])
    return wholes, parts


def _fetch(ids: Sequence[int], space: EmbeddingSpace) -> tuple[dict[int, Floats], dict[int, Floats]]:
    wholes, ranked = vectors.read_vectors(space, ids)
    return wholes, {pk: np.stack(list(ranked[pk].values())) if pk in ranked else wholes[pk][None] for pk in ids}


def _numbers(vector: Any) -> Floats:
    return np.asarray(vector, np.float32)


def _weight(number: int, forward: dict[int, Floats], space: EmbeddingSpace) -> float:
    """Return a query segment's geo-distinctiveness: the stored weights of its nearest segments, by their likeness."""
    best = sorted(forward, key=lambda pk: (-float(forward[pk][number].max()), pk))[:NEIGHBOURS]
    ranks = {pk: int(forward[pk][number].argmax()) for pk in best}
    stored = {
        (row.photo_id, row.rank): row.weight for row in SegmentWeight.objects.filter(space=space, photo_id__in=best)
    }
    likeness = np.array([float(forward[pk][number].max()) for pk in best])
    shares = np.exp((likeness - likeness.max()) / SOFTNESS)
    weights = np.array([stored.get((pk, ranks[pk]), NEUTRAL) for pk in best])
    return float(shares @ weights / shares.sum())


def _score(
    whole: Floats, asked: Floats, photo: Floats, parts: Floats, distinctiveness: Floats, weights: Weights
) -> float:
    similarities = asked @ parts.T
    forth = float(distinctiveness @ similarities.max(axis=1) / distinctiveness.sum())
    back = float(similarities.max(axis=0).mean())
    as_part = max(float((parts @ whole).max()), float((asked @ photo).max()))
    of_whole = max(float(whole @ photo), _PART_WORTH * as_part)
    total = weights.whole + weights.segments
    return (weights.whole * of_whole + weights.segments * (forth + back) / 2) / total
