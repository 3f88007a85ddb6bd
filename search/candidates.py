"""Which photos a query may mean, found and scored in one SQL statement.

Candidates are the photos nearest by their global vector, the owners of the segments nearest to the query's best
segments and to the query as a whole, and the photos nearest as a whole to one of those segments. All of them are
scored exactly; with cosines q.p of the vectors of query and photo, as a whole or of segments i and j:

    score = w_g * whole + w_s * segments + w_t * share of the query's tags that the photo has
    whole = max(q.p, PART * max_j q.p_j, PART * max_i q_i.p)       a crop, or a picture pasted into another
    segments = mean of [ sum_i d_i max_j q_i.p_j / sum_i d_i ] and [ mean_j max_i q_i.p_j ]

`d_i` is the query segment's geo-distinctiveness, estimated from the stored weights of its nearest segments
(`search.distinctiveness`). To find an object (`OBJECT`), `segments` is the mean of the best three max_j q_i.p_j,
and PART is 1: it fills a part of the photo only. A photo without segments is one segment as a whole.

What the viewer may not see is left out before any neighbour is looked for. Of `n` photos that pass the filters:

- up to `EXACT_PHOTOS`: all of them are candidates, so the answer is exact;
- up to sqrt(220 N) of the space's N: the global neighbours are found exactly among them, segments by their index;
- more: all by their HNSW indexes, scanned on until enough pass the filters.
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
from search.distinctiveness import NEIGHBOURS, NEUTRAL, SOFTNESS
from search.filtering import searchable_photos
from search.models import RankingWeights
from search.types import Candidate, Query, QuerySegment, SegmentMatch

EXACT_PHOTOS: Final = 500
"""So many photos are compared in full faster than the indexes answer."""

FILTER_FIRST: Final = 220.0
GLOBAL_NEIGHBOURS: Final = 100
SEGMENT_NEIGHBOURS: Final = 40
SEEKING_SEGMENTS: Final = 5
"""So many of the query's segments, the best by quality and distinctiveness, look for candidates; all score them."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What the parts of the score weigh; they are scaled to sum to 1 over the parts that a query has."""

    whole: float
    segments: float
    tags: float = 0.1


DEFAULT_WEIGHTS: Final = Weights(0.4, 0.6)
ENCODER_WEIGHTS: Final[Mapping[str, Weights]] = {"classical-512": Weights(0.3, 0.7)}


@dataclass(frozen=True, slots=True)
class Likeness:
    """What likeness is meant.

    `part_worth` in 0..1 is what the likeness of a whole to a part of the other counts (None: nothing), `best_of` how
    many of the best query segments do (None: all), `both_ways` whether the photo's segments must be found in the
    query too, `by_distinctiveness` whether the query's segments weigh by it.
    """

    part_worth: float | None = 0.8
    best_of: int | None = None
    both_ways: bool = True
    by_distinctiveness: bool = True


SIMILAR: Final = Likeness()
OBJECT: Final = Likeness(part_worth=1.0, best_of=3, both_ways=False)
"""An object fills a part of the photo that is looked for."""


def weights_for(space: EmbeddingSpace) -> Weights:
    """Return the weights that staff set last for the space, else those of its encoder."""
    chosen = RankingWeights.objects.filter(space=space).order_by("-set_at", "-id").first()
    if chosen is not None:
        return Weights(chosen.whole, chosen.segments, chosen.tags)
    return ENCODER_WEIGHTS.get(space.encoder, DEFAULT_WEIGHTS)


def find_candidates(
    query: Query,
    *,
    space: EmbeddingSpace,
    viewer: Viewer,
    limit: int,
    weights: Weights | None = None,
    likeness: Likeness = SIMILAR,
) -> list[Candidate]:
    """Return up to `limit` photos of `space` that `viewer` may see, best first, ties by id."""
    try:
        statement, parameters = _statement(query, space, viewer, limit, weights or weights_for(space), likeness)
    except EmptyResultSet:  # a filter that nothing can pass
        return []
    rows = _fetch(statement, parameters)
    boxes = {segment.rank: segment.box for segment in query.segments}
    return [_candidate(row, boxes) for row in rows]


def explain(query: Query, *, space: EmbeddingSpace, viewer: Viewer, limit: int) -> str:
    """Return PostgreSQL's plan of the statement, as it ran."""
    statement, parameters = _statement(query, space, viewer, limit, weights_for(space), SIMILAR)
    rows = _fetch(sql.SQL("EXPLAIN (ANALYZE, COSTS OFF) {}").format(statement), parameters)
    return "\n".join(row[0] for row in rows)


def _fetch(statement: sql.Composed, parameters: Mapping[str, Any]) -> list[Any]:
    with vectors.binary_cursor() as cursor:
        return cursor.execute(statement, parameters).fetchall()


def _candidate(row: tuple[Any, ...], boxes: Mapping[int, tuple[int, int, int, int]]) -> Candidate:
    photo_id, score, whole, segments, tags, *matches = row
    return Candidate(
        photo_id=photo_id,
        similarity=score,
        global_similarity=whole,
        segment_similarity=segments,
        tag_overlap=tags,
        segment_matches=tuple(
            SegmentMatch(rank, photo_rank, similarity, boxes[rank], weight=weight)
            for rank, photo_rank, similarity, weight in zip(*matches, strict=True)
        ),
    )


def _statement(
    query: Query, space: EmbeddingSpace, viewer: Viewer, limit: int, weights: Weights, likeness: Likeness
) -> tuple[sql.Composed, dict[str, Any]]:
    photos, parameters = _compile(searchable_photos(query.filters, viewer=viewer))
    asked, asked_parameters = _asked(query)
    parameters |= asked_parameters | _shares(query, weights)
    parameters |= {
        "limit": limit,
        "exact": EXACT_PHOTOS,
        "filter_first": FILTER_FIRST,
        "near": max(limit, GLOBAL_NEIGHBOURS),
        "near_segments": SEGMENT_NEIGHBOURS,
        "query": vectors.as_parameter(query.embedding),
        "tags": list(query.tags),
        "part_worth": likeness.part_worth,
        "best_of": likeness.best_of or max(1, len(query.segments)),
        "backward_share": 0.5 if likeness.both_ways else 0.0,
        "near_weights": NEIGHBOURS if likeness.by_distinctiveness else 0,
        "neutral": NEUTRAL,
        "softness": SOFTNESS,
    }
    whole = sql.SQL("(SELECT vector FROM query)")
    one = sql.SQL("asked.vector")
    statement = sql.SQL(_STATEMENT).format(
        photos=photos,
        asked=asked,
        space=sql.Literal(space.pk),
        partition=sql.Literal(vectors.partition_name(vectors.PHOTO_TABLE, space)),
        nearest_photos=vectors.photo_order_sql(space, whole),
        nearest_wholes=vectors.photo_order_sql(space, one),
        nearest_segments=vectors.segment_order_sql(space, one),
        photo_similarity=vectors.similarity_sql(space, whole),
        whole_similarity=vectors.similarity_sql(space, one, alias="wholes"),
        segment_similarity=vectors.similarity_sql(space, one, alias="parts"),
        stored_similarity=vectors.similarity_sql(space, one, alias="s"),
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


def _asked(query: Query) -> tuple[sql.Composable, dict[str, Any]]:
    """Return what is asked as rows (rank, seeks, vector) with their parameters; the query as a whole has rank -1."""
    chosen = {one.rank for one in _most_telling(query.segments)}
    rows = [(-1, True, query.embedding)]
    rows += [(one.rank, one.rank in chosen, one.embedding) for one in query.segments]
    parameters = {f"asked_{index}": vectors.as_parameter(vector) for index, (_, _, vector) in enumerate(rows)}
    values = [
        sql.SQL("({}::smallint, {}::boolean, {}::halfvec)").format(
            sql.Literal(rank), sql.Literal(seeks), sql.Placeholder(name)
        )
        for (rank, seeks, _), name in zip(rows, parameters, strict=True)
    ]
    return sql.SQL("VALUES {}").format(sql.SQL(", ").join(values)), parameters


def _most_telling(segments: tuple[QuerySegment, ...]) -> list[QuerySegment]:
    return sorted(segments, key=lambda one: (-one.quality * one.weight, one.rank))[:SEEKING_SEGMENTS]


# The branches of `candidates` that do not apply are one-time filters that are false: they cost nothing.
# How many candidates there will be is beyond the planner's guess: the laterals keep it from scanning the whole space.
_STATEMENT: Final = """
WITH query (vector) AS (SELECT %(query)s::halfvec),
asked (rank, seeks, vector) AS MATERIALIZED ({asked}),
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
     WHERE asked.seeks AND (SELECT NOT compare_all FROM counted))
    UNION
    (SELECT near.photo_id
     FROM asked CROSS JOIN LATERAL (
         SELECT e.photo_id
         FROM photos_photoembedding e JOIN ({photos}) AS p (id) ON p.id = e.photo_id
         WHERE e.space_id = {space}
         ORDER BY {nearest_wholes} LIMIT %(near_segments)s
     ) AS near
     WHERE asked.seeks AND asked.rank >= 0 AND (SELECT NOT filter_first FROM counted))
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
),
paired AS MATERIALIZED (
    SELECT parts.photo_id, asked.rank, grouping(asked.rank) = 1 AS is_part,
           max({segment_similarity}) AS similarity,
           max({segment_similarity}) FILTER (WHERE asked.rank >= 0) AS backward,
           bool_and(parts.rank IS NULL) AS is_bare
    FROM parts CROSS JOIN asked
    GROUP BY GROUPING SETS ((parts.photo_id, asked.rank), (parts.photo_id, parts.rank))
),
forward AS MATERIALIZED (
    SELECT photo_id, rank, similarity,
           row_number() OVER (PARTITION BY photo_id ORDER BY similarity DESC, rank) <= %(best_of)s AS counts
    FROM paired WHERE NOT is_part AND rank >= 0
),
weighed AS MATERIALIZED (
    SELECT asked.rank, coalesce(sum(near.share * near.weight) / sum(near.share), %(neutral)s) AS weight
    FROM asked LEFT JOIN LATERAL (
        SELECT exp((best.similarity - max(best.similarity) OVER ()) / %(softness)s) AS share,
               coalesce(w.weight, %(neutral)s) AS weight
        FROM (
            SELECT photo_id, similarity FROM forward
            WHERE forward.rank = asked.rank ORDER BY similarity DESC, photo_id LIMIT %(near_weights)s
        ) AS best
        CROSS JOIN LATERAL (
            SELECT s.rank FROM photos_segmentembedding s
            WHERE s.space_id = {space} AND s.photo_id = best.photo_id
            ORDER BY {stored_similarity} DESC, s.rank LIMIT 1
        ) AS segment
        LEFT JOIN search_segmentweight w
            ON w.space_id = {space} AND w.photo_id = best.photo_id AND w.rank = segment.rank
    ) AS near ON true
    WHERE asked.rank >= 0 GROUP BY asked.rank
),
segments AS (
    SELECT photo_id, (1 - %(backward_share)s) * forth.similarity + %(backward_share)s * back.similarity AS similarity
    FROM (
        SELECT photo_id, sum(weight * similarity) / sum(weight) AS similarity
        FROM forward JOIN weighed USING (rank) WHERE counts GROUP BY photo_id
    ) AS forth
    JOIN (SELECT photo_id, avg(backward) AS similarity FROM paired WHERE is_part GROUP BY photo_id) AS back
        USING (photo_id)
),
as_part AS (
    SELECT photo_id, max(similarity) AS similarity
    FROM (
        SELECT photo_id, similarity FROM paired WHERE rank = -1 AND NOT is_bare
        UNION ALL
        SELECT wholes.photo_id, {whole_similarity} FROM wholes CROSS JOIN asked WHERE asked.rank >= 0
    ) AS found
    GROUP BY photo_id
),
tags AS (
    SELECT pt.photo_id, count(DISTINCT t.slug)::float / cardinality(%(tags)s::text[]) AS overlap
    FROM wholes JOIN photos_phototag pt ON pt.photo_id = wholes.photo_id JOIN photos_tag t ON t.id = pt.tag_id
    WHERE t.slug = ANY(%(tags)s::text[])
    GROUP BY pt.photo_id
),
scored AS MATERIALIZED (
    SELECT wholes.photo_id, whole.similarity AS whole, segments.similarity AS segment,
           coalesce(tags.overlap, 0.0) AS overlap,
           %(whole_share)s * whole.similarity + %(segment_share)s * coalesce(segments.similarity, 0.0)
               + %(tag_share)s * coalesce(tags.overlap, 0.0) AS score
    FROM wholes LEFT JOIN segments USING (photo_id) LEFT JOIN as_part USING (photo_id) LEFT JOIN tags USING (photo_id)
        CROSS JOIN LATERAL (
            SELECT greatest(wholes.similarity, %(part_worth)s::float8 * as_part.similarity) AS similarity
        ) AS whole
    ORDER BY score DESC, photo_id LIMIT %(limit)s
),
matches AS (
    SELECT DISTINCT ON (parts.photo_id, asked.rank)
           parts.photo_id, asked.rank AS query_rank, parts.rank AS photo_rank,
           {segment_similarity} AS similarity
    FROM scored JOIN parts USING (photo_id) CROSS JOIN asked
    WHERE asked.rank >= 0
    ORDER BY parts.photo_id, asked.rank, similarity DESC, parts.rank NULLS LAST
),
explained AS (
    SELECT photo_id, array_agg(query_rank::int ORDER BY query_rank) AS query_ranks,
           array_agg(photo_rank::int ORDER BY query_rank) AS photo_ranks,
           array_agg(similarity ORDER BY query_rank) AS similarities,
           array_agg(weight ORDER BY query_rank) AS weights
    FROM matches JOIN weighed ON weighed.rank = matches.query_rank GROUP BY photo_id
)
SELECT photo_id, score, whole, segment, overlap, coalesce(query_ranks, '{{}}'), coalesce(photo_ranks, '{{}}'),
       coalesce(similarities, '{{}}'), coalesce(weights, '{{}}')
FROM scored LEFT JOIN explained USING (photo_id)
ORDER BY score DESC, photo_id
"""
