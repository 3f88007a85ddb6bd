"""Which photos a query may mean, found and scored in one SQL statement.

Candidates are the photos nearest by their global vector, united with the owners of the segments nearest to each
segment of the query; all of them are scored exactly:

    score = w_g * global + w_s * mean over query segments of the best match among the photo's segments + w_t * tags

A photo without segments is one segment as a whole. What the viewer may not see is left out before any neighbour
is looked for. Of `n` photos that pass the filters:

- up to `EXACT_PHOTOS`: all of them are candidates, so the answer is exact;
- up to sqrt(220 N) of the space's N: the global neighbours are found exactly among them, segments by their index;
- more: both by their HNSW indexes, scanned on until enough pass the filters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from psycopg import sql

from photos import vectors
from photos.models import EmbeddingSpace
from photos.querysets import PhotoQuerySet, Viewer
from search.filtering import searchable_photos
from search.types import Candidate, Query, QuerySegment, SegmentMatch

EXACT_PHOTOS: Final = 500
"""So many photos are compared in full faster than the indexes answer."""

FILTER_FIRST: Final = 220.0
GLOBAL_NEIGHBOURS: Final = 100
SEGMENT_NEIGHBOURS: Final = 40


@dataclass(frozen=True, slots=True)
class Weights:
    """What the parts of the score weigh; they are scaled to sum to 1 over the parts that a query has."""

    whole: float
    segments: float
    tags: float = 0.1


DEFAULT_WEIGHTS: Final = Weights(0.4, 0.6)
ENCODER_WEIGHTS: Final[Mapping[str, Weights]] = {"classical-512": Weights(0.3, 0.7)}


def weights_for(space: EmbeddingSpace) -> Weights:
    return ENCODER_WEIGHTS.get(space.encoder, DEFAULT_WEIGHTS)


def find_candidates(
    query: Query, *, space: EmbeddingSpace, viewer: Viewer, limit: int, weights: Weights | None = None
) -> list[Candidate]:
    """Return up to `limit` photos of `space` that `viewer` may see, best first, ties by id."""
    try:
        statement, parameters = _statement(query, space, viewer, limit, weights or weights_for(space))
    except EmptyResultSet:  # a filter that nothing can pass
        return []
    rows = _fetch(statement, parameters)
    boxes = {segment.rank: segment.box for segment in query.segments}
    return [_candidate(row, boxes) for row in rows]


def explain(query: Query, *, space: EmbeddingSpace, viewer: Viewer, limit: int) -> str:
    """Return PostgreSQL's plan of the statement, as it ran."""
    statement, parameters = _statement(query, space, viewer, limit, weights_for(space))
    rows = _fetch(sql.SQL("EXPLAIN (ANALYZE, COSTS OFF) {}").format(statement), parameters)
    return "\n".join(row[0] for row in rows)


def _fetch(statement: sql.Composed, parameters: Mapping[str, Any]) -> list[Any]:
    with vectors.binary_cursor() as cursor:
        return cursor.execute(statement, parameters).fetchall()


def _candidate(row: tuple[Any, ...], boxes: Mapping[int, tuple[int, int, int, int]]) -> Candidate:
    photo_id, score, whole, segments, tags, query_ranks, photo_ranks, similarities = row
    return Candidate(
        photo_id=photo_id,
        similarity=score,
        global_similarity=whole,
        segment_similarity=segments,
        tag_overlap=tags,
        segment_matches=tuple(
            SegmentMatch(rank, photo_rank, similarity, boxes[rank])
            for rank, photo_rank, similarity in zip(query_ranks, photo_ranks, similarities, strict=True)
        ),
    )


def _statement(
    query: Query, space: EmbeddingSpace, viewer: Viewer, limit: int, weights: Weights
) -> tuple[sql.Composed, dict[str, Any]]:
    photos, parameters = _compile(searchable_photos(query.filters, viewer=viewer))
    segments, segment_parameters = _asked(query.segments)
    parameters |= segment_parameters | _shares(query, weights)
    parameters |= {
        "limit": limit,
        "exact": EXACT_PHOTOS,
        "filter_first": FILTER_FIRST,
        "near": max(limit, GLOBAL_NEIGHBOURS),
        "near_segments": SEGMENT_NEIGHBOURS,
        "query": vectors.as_parameter(query.embedding),
        "tags": list(query.tags),
    }
    whole = sql.SQL("(SELECT vector FROM query)")
    statement = sql.SQL(_STATEMENT).format(
        photos=photos,
        segments=segments,
        space=sql.Literal(space.pk),
        partition=sql.Literal(vectors.partition_name(vectors.PHOTO_TABLE, space)),
        nearest_photos=vectors.photo_order_sql(space, whole),
        nearest_segments=vectors.segment_order_sql(space, sql.SQL("asked.vector")),
        photo_similarity=vectors.similarity_sql(space, whole),
        segment_similarity=vectors.similarity_sql(space, sql.SQL("asked.vector"), alias="parts"),
    )
    return statement, parameters


def _compile(photos: PhotoQuerySet) -> tuple[sql.SQL, dict[str, Any]]:
    """Return the query set's SQL with named parameters: it stands in the statement more than once."""
    statement, values = photos.values("pk").query.sql_with_params()
    parameters = {f"photos_{index}": value for index, value in enumerate(values)}
    names = iter(parameters)
    named = re.sub("%[%s]", lambda found: f"%({next(names)})s" if found[0] == "%s" else "%%", statement)
    return sql.SQL(named), parameters


def _shares(query: Query, weights: Weights) -> dict[str, float]:
    parts = {
        "whole_share": weights.whole,
        "segment_share": weights.segments if query.segments else 0.0,
        "tag_share": weights.tags if query.tags else 0.0,
    }
    total = sum(parts.values())
    if not total > 0:
        raise ValueError(f"the weights {weights} leave nothing to score this query by")
    return {name: share / total for name, share in parts.items()}


def _asked(segments: tuple[QuerySegment, ...]) -> tuple[sql.Composable, dict[str, Any]]:
    """Return the query's segments as rows (rank, vector) with their parameters."""
    if not segments:
        return sql.SQL("SELECT NULL::smallint, NULL::halfvec WHERE false"), {}
    parameters = {f"segment_{one.rank}": vectors.as_parameter(one.embedding) for one in segments}
    rows = [
        sql.SQL("({}::smallint, {}::halfvec)").format(sql.Literal(one.rank), sql.Placeholder(name))
        for one, name in zip(segments, parameters, strict=True)
    ]
    return sql.SQL("VALUES {}").format(sql.SQL(", ").join(rows)), parameters


# The branches of `candidates` that do not apply are one-time filters that are false: they cost nothing.
# How many candidates there will be is beyond the planner's guess: the laterals keep it from scanning the whole space.
_STATEMENT: Final = """
WITH query (vector) AS (SELECT %(query)s::halfvec),
asked (rank, vector) AS MATERIALIZED ({segments}),
sized AS MATERIALIZED (
    SELECT greatest(%(exact)s, sqrt(%(filter_first)s * greatest(reltuples, 0)))::bigint AS few
    FROM pg_class WHERE oid = {partition}::regclass
),
allowed AS MATERIALIZED (
    SELECT p.id AS photo_id FROM ({photos}) AS p (id) LIMIT (SELECT few + 1 FROM sized)
),
counted AS MATERIALIZED (
    SELECT count(*) <= %(exact)s AS compare_all, count(*) <= (SELECT few FROM sized) AS filter_first FROM allowed
),
candidates AS MATERIALIZED (
    (SELECT photo_id FROM allowed WHERE (SELECT compare_all FROM counted))
    UNION
    (SELECT e.photo_id
     FROM allowed CROSS JOIN LATERAL (
         SELECT photo_id, vector FROM photos_photoembedding
         WHERE space_id = {space} AND photo_id = allowed.photo_id LIMIT 1
     ) AS e
     WHERE (SELECT filter_first AND NOT compare_all FROM counted)
     ORDER BY {photo_similarity} DESC, e.photo_id LIMIT %(near)s)
    UNION
    (SELECT e.photo_id
     FROM photos_photoembedding e JOIN ({photos}) AS p (id) ON p.id = e.photo_id
     WHERE e.space_id = {space} AND (SELECT NOT filter_first FROM counted)
     ORDER BY {nearest_photos} LIMIT %(near)s)
    UNION
    (SELECT near.photo_id
     FROM asked CROSS JOIN LATERAL (
         SELECT s.photo_id
         FROM photos_segmentembedding s JOIN ({photos}) AS p (id) ON p.id = s.photo_id
         WHERE s.space_id = {space}
         ORDER BY {nearest_segments} LIMIT %(near_segments)s
     ) AS near
     WHERE (SELECT NOT compare_all FROM counted))
),
wholes AS MATERIALIZED (
    SELECT e.photo_id, e.vector, {photo_similarity} AS similarity
    FROM candidates CROSS JOIN LATERAL (
        SELECT photo_id, vector FROM photos_photoembedding
        WHERE space_id = {space} AND photo_id = candidates.photo_id LIMIT 1
    ) AS e
),
parts AS MATERIALIZED (
    SELECT wholes.photo_id, s.rank, coalesce(s.vector, wholes.vector) AS vector
    FROM wholes LEFT JOIN LATERAL (
        SELECT rank, vector FROM photos_segmentembedding
        WHERE space_id = {space} AND photo_id = wholes.photo_id OFFSET 0
    ) AS s ON true
    WHERE EXISTS (SELECT FROM asked)
),
best AS (
    SELECT parts.photo_id, asked.rank, max({segment_similarity}) AS similarity
    FROM parts CROSS JOIN asked GROUP BY parts.photo_id, asked.rank
),
segments AS (SELECT photo_id, avg(similarity) AS similarity FROM best GROUP BY photo_id),
tags AS (
    SELECT pt.photo_id, count(DISTINCT t.slug)::float / cardinality(%(tags)s::text[]) AS overlap
    FROM wholes JOIN photos_phototag pt ON pt.photo_id = wholes.photo_id JOIN photos_tag t ON t.id = pt.tag_id
    WHERE t.slug = ANY(%(tags)s::text[])
    GROUP BY pt.photo_id
),
scored AS MATERIALIZED (
    SELECT wholes.photo_id, wholes.similarity AS whole, segments.similarity AS segment,
           coalesce(tags.overlap, 0.0) AS overlap,
           %(whole_share)s * wholes.similarity + %(segment_share)s * coalesce(segments.similarity, 0.0)
               + %(tag_share)s * coalesce(tags.overlap, 0.0) AS score
    FROM wholes LEFT JOIN segments USING (photo_id) LEFT JOIN tags USING (photo_id)
    ORDER BY score DESC, photo_id LIMIT %(limit)s
),
matches AS (
    SELECT DISTINCT ON (parts.photo_id, asked.rank)
           parts.photo_id, asked.rank AS query_rank, parts.rank AS photo_rank,
           {segment_similarity} AS similarity
    FROM scored JOIN parts USING (photo_id) CROSS JOIN asked
    ORDER BY parts.photo_id, asked.rank, similarity DESC, parts.rank NULLS LAST
),
explained AS (
    SELECT photo_id, array_agg(query_rank::int ORDER BY query_rank) AS query_ranks,
           array_agg(photo_rank::int ORDER BY query_rank) AS photo_ranks,
           array_agg(similarity ORDER BY query_rank) AS similarities
    FROM matches GROUP BY photo_id
)
SELECT photo_id, score, whole, segment, overlap, coalesce(query_ranks, '{{}}'), coalesce(photo_ranks, '{{}}'),
       coalesce(similarities, '{{}}')
FROM scored LEFT JOIN explained USING (photo_id)
ORDER BY score DESC, photo_id
"""
