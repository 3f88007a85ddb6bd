"""The SQL statement that finds and scores candidates; `search.candidates` says what it means.

Every stored vector that is scored is read once: its likeness to each of the query's vectors, which are constants of
the statement, is worked out in one row. Rows of pairs would cost several times as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from psycopg import sql

from photos import partitions, vectors
from photos.vectors import Graph

_WHOLE: Final = sql.Placeholder("query")


@dataclass(frozen=True, slots=True)
class Form:
    """What the text of a statement depends on; everything else are its parameters.

    `pk` and `dimensions` are the space's, `photos` is the SQL of the ids that may be found, to be looked for in
    `graphs`; `filtered` says that many may not. The photos whose ids are in the parameter `few` are compared in any
    case; without a graph, they alone.

    `asked` names the parameters of the query's segments. Those that look for candidates, `seeking` of them, are
    `seeking_1` and so on, the most telling first; the query as a whole is the parameter `query`. Without `with_parts`
    only wholes are compared.

    `near` photos are looked for by the query as a whole, `near_segments` by each that seeks, of which `as_wholes` look
    for photos as a whole, too. The best `promising` of them are scored in full, `limit` are told. They stand in the
    text, or PostgreSQL could not plan for them without the parameters. `best_of` and `near_weights` as in
    `search.candidates.Likeness`.
    """

    pk: int
    dimensions: int
    photos: str
    limit: int
    near: int
    near_segments: int
    as_wholes: int
    promising: int
    best_of: int
    near_weights: int
    filtered: bool
    graphs: tuple[Graph, ...] = ()
    asked: tuple[str, ...] = ()
    seeking: int = 0
    with_parts: bool = True
    with_tags: bool = True

    @property
    def is_recurring(self) -> bool:
        """Whether to prepare the statement: it is asked again and again, and one plan suits all its parameters."""
        return not (self.filtered and self.photos)


@lru_cache(maxsize=256)
def build_count(form: Form) -> sql.SQL:
    """Return the statement that tells the ids of the photos, as text, where they are few, if so, and the weights.

    What is few depends on how many there are in the graphs. The weights are those that staff set last.
    """
    indexes = [partitions.index_name(vectors.PHOTO_TABLE, form, graph) for graph in form.graphs]
    names = {"photos": sql.SQL(form.photos), "indexes": sql.Literal(indexes), "space": sql.Literal(form.pk)}
    return _as_text(sql.SQL(_COUNT).format(**names))


@lru_cache(maxsize=1024)
def build_statement(form: Form) -> sql.SQL:
    """Return the statement that finds and scores: putting it together takes longer than sending it."""
    seeker, asked = sql.SQL("seeking.vector"), form.asked
    allowed = sql.SQL(_ALLOWED).format(photos=sql.SQL(form.photos))
    composed = sql.SQL(_text(form)).format(
        **{name: sql.Literal(getattr(form, name)) for name in _COUNTS},
        allowed=allowed if form.filtered else sql.SQL(""),
        seeking=_seeking(form.seeking),
        seekers=sql.Literal(max(1, form.seeking)),
        allowed_at_last=sql.SQL("") if form.filtered else allowed,
        candidates=sql.SQL("candidates" if form.with_parts and form.graphs else "seen"),
        space=sql.Literal(form.pk),
        nearest_photos=vectors.photo_order_sql(form, _WHOLE),
        nearest_wholes=vectors.photo_order_sql(form, seeker),
        nearest_segments=vectors.segment_order_sql(form, seeker),
        seeker_similarity=vectors.similarity_sql(form, seeker, alias="s"),
        **{f"{graph}_{alias}": vectors.graph_sql(graph, alias=alias) for graph in form.graphs for alias in "es"},
        photo_similarity=vectors.similarity_sql(form, _WHOLE),
        photo_likeness=_likeness(form, alias="e"),
        part_similarity=vectors.similarity_sql(form, _WHOLE, alias="s"),
        part_likeness=_likeness(form, alias="s"),
        places=_columns("{0}", asked),
        best_parts=_columns("max(like_{0})", asked),
        parts_array=_columns("parts.like_{0}", asked),
        wholes_array=_columns("wholes.like_{0}", asked),
        most_like_part=_greatest("like_{0}", asked),
        most_like_whole=_greatest("wholes.like_{0}", asked),
        forth=_best_forth(form.best_of) if form.best_of < len(asked) else _forth(asked),
        overlap=sql.SQL("coalesce(tags.overlap, 0.0)" if form.with_tags else "0.0::float8"),
        tagged=sql.SQL("LEFT JOIN tags USING (photo_id)" if form.with_tags else ""),
    )
    return _as_text(composed)


def _as_text(composed: sql.Composed) -> sql.SQL:
    return sql.SQL(composed.as_string())


def _text(form: Form) -> str:
    """Put together what is needed: planning the rest would cost milliseconds."""
    near = [_NEAREST_WHOLES, *([_NEAR_PARTS, _NEAR_OTHERS] if form.with_parts else [])]
    branches = [one.replace("{graph", "{" + graph) for graph in form.graphs for one in near]
    tables = {
        _SEEKING: form.with_parts and form.graphs,
        _SCANNED.replace("{branches}", " UNION ALL ".join(branches)): form.graphs,
        _SEEN if form.graphs else _SEEN_FEW: True,
        _TAGS: form.with_tags,
        _PROMISING: form.with_parts and form.graphs,
        _WHOLES if form.graphs else _WHOLES_OF_FEW: True,
        _PARTS: form.with_parts,
    }
    needed = ", ".join(text for text, is_needed in tables.items() if is_needed)
    return f"WITH {needed} {_EXPLAINED if form.with_parts else _BY_WHOLES}"


def _seeking(count: int) -> sql.Composed:
    """Return rows (place, vector); the query as a whole has place 0."""
    vectors_of = [_WHOLE, *(sql.Placeholder(f"seeking_{place}") for place in range(1, count + 1))]
    rows = [sql.SQL("({}, {}::halfvec)").format(sql.Literal(place), one) for place, one in enumerate(vectors_of)]
    return sql.SQL("VALUES {}").format(sql.SQL(", ").join(rows))


def _likeness(form: Form, *, alias: str) -> sql.Composed:
    """Return the columns of a stored vector's similarities to the query's segments, each after a comma."""
    columns = [
        sql.SQL(", {} AS {}").format(
            vectors.similarity_sql(form, sql.Placeholder(name), alias=alias), sql.Identifier(f"like_{place}")
        )
        for place, name in enumerate(form.asked, start=1)
    ]
    return sql.SQL("").join(columns)


def _columns(pattern: str, asked: Sequence[str]) -> sql.SQL:
    return sql.SQL(", ".join(pattern.format(place) for place in range(1, len(asked) + 1)))


def _greatest(pattern: str, asked: Sequence[str]) -> sql.Composable:
    return sql.SQL("greatest({})").format(_columns(pattern, asked)) if asked else sql.SQL("NULL::float8")


def _forth(asked: Sequence[str]) -> sql.SQL:
    """Return the mean of all best likenesses by the segments' weights."""
    places = range(1, len(asked) + 1)
    terms = " + ".join(f"weights.of[{place}] * found.best[{place}]" for place in places)
    total = " + ".join(f"weights.of[{place}]" for place in places)
    return sql.SQL(f"(({terms}) / ({total}))" if asked else "NULL::float8")


def _best_forth(count: int) -> sql.Composed:
    """Return the mean of so many of the best likenesses by the segments' weights."""
    return sql.SQL(_BEST_FORTH).format(best_of=sql.Literal(count))


_BEST_FORTH: Final = """(
    SELECT sum(chosen.weight * chosen.similarity) / sum(chosen.weight)
    FROM (
        SELECT one.similarity, one.weight FROM unnest(found.best, weights.of) WITH ORDINALITY
            AS one (similarity, weight, place)
        ORDER BY one.similarity DESC, one.place LIMIT {best_of}
    ) AS chosen
)"""

_COUNT: Final = """
WITH graphs AS MATERIALIZED (
    SELECT greatest(sum(reltuples), 0) AS size FROM pg_class
    WHERE relname = ANY({indexes}::text[])  -- none while features are imported
),
sized AS MATERIALIZED (
    SELECT few, %(unfiltered)s AND size > 10 * few AS are_many
    FROM graphs CROSS JOIN LATERAL (SELECT greatest(%(exact)s, sqrt(%(filter_first)s * size))::bigint AS few) AS limits
),
allowed AS MATERIALIZED (
    SELECT id FROM ({photos}) AS p (id) WHERE NOT (SELECT are_many FROM sized) LIMIT (SELECT few + 1 FROM sized)
),
counted AS MATERIALIZED (
    SELECT NOT are_many AND (SELECT count(*) FROM allowed) <= few AS is_few FROM sized
)
SELECT (SELECT array_agg(id) FROM allowed WHERE (SELECT is_few FROM counted))::text, is_few, (
    SELECT ARRAY[whole, segments, tags] FROM search_rankingweights
    WHERE space_id = {space} ORDER BY set_at DESC, id DESC LIMIT 1
)
FROM counted
"""

_COUNTS: Final = ("limit", "near", "near_segments", "as_wholes", "promising", "near_weights")

# Where hardly any photo is left out, to ask once of those that were found costs less than of each as it is found.
_ALLOWED: Final = " JOIN ({photos}) AS p (id) ON p.id = photo_id"

_SEEKING: Final = "seeking (place, vector) AS MATERIALIZED ({seeking})"

# What the scans come upon: similarities are to the query as a whole at place 0, to its segments after it.
_SCANNED: Final = "scanned (photo_id, place, similarity) AS MATERIALIZED ({branches})"

_NEAREST_WHOLES: Final = """
    (SELECT e.photo_id, NULL::int, NULL::float8
     FROM photos_photoembedding e{allowed}
     WHERE e.space_id = {space} AND {graph_e}
     ORDER BY {nearest_photos} LIMIT {near})"""

_NEAR_PARTS: Final = """
    (SELECT near.photo_id, seeking.place, near.similarity
     FROM seeking CROSS JOIN LATERAL (
         SELECT s.photo_id, {seeker_similarity} AS similarity
         FROM photos_segmentembedding s{allowed}
         WHERE s.space_id = {space} AND {graph_s}
         ORDER BY {nearest_segments} LIMIT {near_segments}
     ) AS near)"""

_NEAR_OTHERS: Final = """
    (SELECT near.photo_id, NULL, NULL
     FROM seeking CROSS JOIN LATERAL (
         SELECT e.photo_id
         FROM photos_photoembedding e{allowed}
         WHERE e.space_id = {space} AND {graph_e}
         ORDER BY {nearest_wholes} LIMIT {near_segments}
     ) AS near
     WHERE seeking.place BETWEEN 1 AND {as_wholes})"""

_SEEN: Final = """
seen (photo_id) AS MATERIALIZED (
    SELECT photo_id FROM scanned{allowed_at_last} UNION SELECT unnest(%(few)s::bigint[])
)"""

_SEEN_FEW: Final = "seen (photo_id) AS MATERIALIZED (SELECT unnest(%(few)s::bigint[]))"

_TAGS: Final = """
tags AS (
    SELECT pt.photo_id, count(DISTINCT t.slug)::float / cardinality(%(tags)s::text[]) AS overlap
    FROM seen JOIN photos_phototag pt ON pt.photo_id = seen.photo_id JOIN photos_tag t ON t.id = pt.tag_id
    WHERE t.slug = ANY(%(tags)s::text[])
    GROUP BY pt.photo_id
)"""

# The best at first sight: a photo that a segment's scan did not come upon is less like it than the last it did.
_PROMISING: Final = """
floors AS (SELECT place, min(similarity) AS similarity FROM scanned WHERE place > 0 GROUP BY place),
likest AS (SELECT photo_id, place, max(similarity) AS similarity FROM scanned GROUP BY photo_id, place),
gains AS (
    SELECT photo_id, max(likest.similarity) FILTER (WHERE place = 0) AS part,
           coalesce(sum(likest.similarity - floors.similarity), 0.0) AS more
    FROM seen JOIN likest USING (photo_id) LEFT JOIN floors USING (place) GROUP BY photo_id
),
candidates (photo_id) AS MATERIALIZED (
    (SELECT photo_id
     FROM gains CROSS JOIN LATERAL (
         SELECT {photo_similarity} AS similarity FROM photos_photoembedding e
         WHERE e.space_id = {space} AND e.photo_id = gains.photo_id LIMIT 1
     ) AS whole {tagged}
     ORDER BY %(whole_share)s * greatest(whole.similarity, %(part_worth)s::float8 * gains.part)
         + %(segment_share)s * gains.more / {seekers} + %(tag_share)s * {overlap} DESC, photo_id
     LIMIT {promising})
    UNION SELECT unnest(%(few)s::bigint[])
)"""

# How many candidates there will be is beyond the planner's guess: the lateral keeps it from scanning the whole space.
_WHOLES: Final = """
wholes AS MATERIALIZED (
    SELECT e.photo_id, {photo_similarity} AS similarity{photo_likeness}
    FROM {candidates} AS one CROSS JOIN LATERAL (
        SELECT photo_id, vector FROM photos_photoembedding
        WHERE space_id = {space} AND photo_id = one.photo_id LIMIT 1
    ) AS e
)"""

_WHOLES_OF_FEW: Final = """
wholes AS MATERIALIZED (
    SELECT e.photo_id, {photo_similarity} AS similarity{photo_likeness}
    FROM photos_photoembedding e WHERE e.space_id = {space} AND e.photo_id = ANY(%(few)s::bigint[])
)"""

_BY_WHOLES: Final = """
SELECT photo_id, %(whole_share)s * similarity + %(tag_share)s * {overlap} AS score, similarity, NULL::float8, {overlap},
       '{{}}'::int[], '{{}}'::int[], '{{}}'::float8[], '{{}}'::float8[]
FROM wholes {tagged}
ORDER BY score DESC, photo_id LIMIT {limit}
"""

# A best likeness is found again by its value, which is the very same number, to tell the segment that has it.
_PARTS: Final = """
parts AS MATERIALIZED (
    SELECT s.photo_id, s.rank, {part_similarity} AS similarity{part_likeness}
    FROM wholes CROSS JOIN LATERAL (
        SELECT photo_id, rank, vector FROM photos_segmentembedding
        WHERE space_id = {space} AND photo_id = wholes.photo_id OFFSET 0
    ) AS s
),
gathered AS (
    SELECT photo_id, max(similarity) AS part, ARRAY[{best_parts}]::float8[] AS best, avg({most_like_part}) AS back
    FROM parts GROUP BY photo_id
),
found AS MATERIALIZED (
    SELECT wholes.photo_id, wholes.similarity AS whole,
           coalesce(gathered.best, ARRAY[{wholes_array}]::float8[]) AS best,
           coalesce(gathered.back, {most_like_whole}) AS back,
           greatest(gathered.part, {most_like_whole}) AS part
    FROM wholes LEFT JOIN gathered USING (photo_id)
),
nearest AS MATERIALIZED (
    SELECT asked.place, one.photo_id, one.similarity
    FROM unnest(ARRAY[{places}]::int[]) AS asked (place) CROSS JOIN LATERAL (
        SELECT photo_id, best[asked.place] AS similarity FROM found
        ORDER BY similarity DESC, photo_id LIMIT {near_weights}
    ) AS one
),
near AS (
    SELECT nearest.place, nearest.photo_id, nearest.similarity, min(parts.rank) AS rank
    FROM nearest JOIN parts
        ON parts.photo_id = nearest.photo_id
        AND (ARRAY[{parts_array}]::float8[])[nearest.place] = nearest.similarity
    GROUP BY nearest.place, nearest.photo_id, nearest.similarity
),
weighed AS MATERIALIZED (
    SELECT asked.place, coalesce(sum(shared.share * shared.weight) / sum(shared.share), %(neutral)s) AS weight
    FROM unnest(ARRAY[{places}]::int[]) AS asked (place) LEFT JOIN (
        SELECT near.place, coalesce(w.weight, %(neutral)s) AS weight,
               exp((near.similarity - max(near.similarity) OVER (PARTITION BY near.place)) / %(softness)s) AS share
        FROM near LEFT JOIN LATERAL (
            SELECT weight FROM search_segmentweight
            WHERE space_id = {space} AND photo_id = near.photo_id AND rank = near.rank LIMIT 1
        ) AS w ON true
    ) AS shared USING (place)
    GROUP BY asked.place
),
weights (of) AS MATERIALIZED (SELECT array_agg(weight ORDER BY place) FROM weighed),
scored AS MATERIALIZED (
    SELECT found.photo_id, found.best, part_of.whole, part_of.segment, {overlap} AS overlap,
           %(whole_share)s * part_of.whole + %(segment_share)s * coalesce(part_of.segment, 0.0)
               + %(tag_share)s * {overlap} AS score
    FROM found CROSS JOIN weights {tagged}
        CROSS JOIN LATERAL (
            SELECT greatest(found.whole, %(part_worth)s::float8 * found.part) AS whole,
                   (1 - %(backward_share)s) * {forth} + %(backward_share)s * found.back AS segment
        ) AS part_of
    ORDER BY score DESC, photo_id LIMIT {limit}
),
matches AS (
    SELECT scored.photo_id, one.place, one.similarity, min(parts.rank) AS photo_rank
    FROM scored CROSS JOIN LATERAL unnest(scored.best) WITH ORDINALITY AS one (similarity, place)
        LEFT JOIN parts
            ON parts.photo_id = scored.photo_id
            AND (ARRAY[{parts_array}]::float8[])[one.place] = one.similarity
    GROUP BY scored.photo_id, one.place, one.similarity
),
explained AS (
    SELECT photo_id, array_agg(place::int ORDER BY place) AS places,
           array_agg(photo_rank::int ORDER BY place) AS photo_ranks,
           array_agg(similarity ORDER BY place) AS similarities,
           array_agg(weight ORDER BY place) AS weights
    FROM matches JOIN weighed USING (place) GROUP BY photo_id
)"""

_EXPLAINED: Final = """
SELECT photo_id, score, whole, segment, overlap, coalesce(places, '{{}}'), coalesce(photo_ranks, '{{}}'),
       coalesce(similarities, '{{}}'), coalesce(weights, '{{}}')
FROM scored LEFT JOIN explained USING (photo_id)
ORDER BY score DESC, photo_id
"""
