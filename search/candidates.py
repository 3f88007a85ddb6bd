"""Which photos a query may mean: counted, then found and scored in one SQL statement.

Candidates are the photos nearest by their global vector, the owners of the segments nearest to the query's best
segments and to the query as a whole, and the photos nearest as a whole to the most telling of those segments. The most
promising of them (`search.statement`) are scored exactly; with cosines q.p of the vectors of query and photo, as a
whole or of segments i and j:

    score = w_g * whole + w_s * segments + w_t * share of the query's tags that the photo has
    whole = max(q.p, PART * max_j q.p_j, PART * max_i q_i.p)       a crop, or a picture pasted into another
    segments = mean of [ sum_i d_i max_j q_i.p_j / sum_i d_i ] and [ mean_j max_i q_i.p_j ]

`d_i` is the query segment's geo-distinctiveness, estimated from the stored weights of its nearest segments
(`search.distinctiveness`). To find an object (`OBJECT`), `segments` is the mean of the best three max_j q_i.p_j,
and PART is 1: it fills a part of the photo only. A photo without segments is one segment as a whole.

What the viewer may not see is left out before any neighbour is looked for. Where few photos pass the filters, all of
them are candidates, so the answer is exact. Else they are found by the HNSW indexes, scanned on until enough pass.
Public photos have indexes of their own (`photos.services.graphs`), so that no private one sways what others find;
an owner's private photos are all candidates where they are few, else found by the private photos' indexes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from psycopg import sql

from photos import vectors
from photos.models import EmbeddingSpace, Visibility
from photos.querysets import PhotoQuerySet, Viewer, is_curator
from photos.vectors import Graph
from search.distinctiveness import NEIGHBOURS, NEUTRAL, SOFTNESS
from search.filtering import are_narrow, searchable_photos
from search.models import RankingWeights
from search.statement import Form, build_count, build_statement
from search.types import Candidate, Filters, Query, QuerySegment, SegmentMatch

EXACT_PHOTOS: Final = 500
"""So many photos are compared in full faster than the indexes answer."""

FILTER_FIRST: Final = {"wholes": 220.0, "parts": 60.0}
"""Of N photos, sqrt(FILTER_FIRST * N) are few: an index is scanned the longer, the fewer pass."""

GLOBAL_NEIGHBOURS: Final = 100
SEGMENT_NEIGHBOURS: Final = 20
SEEKING_SEGMENTS: Final = 5
"""So many of the query's segments, the best by quality and distinctiveness, look for candidates; all score them."""

AS_WHOLES: Final = 1
"""So many of these look for photos that resemble them as a whole, too."""

PROMISING: Final = 120
"""So many of what the indexes come upon are scored in full, the best at first sight."""


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
    return _weights_of(space.encoder)


def _weights_of(encoder: str) -> Weights:
    return ENCODER_WEIGHTS.get(encoder, DEFAULT_WEIGHTS)


def find_candidates(
    query: Query,
    *,
    space: EmbeddingSpace,
    viewer: Viewer,
    limit: int,
    weights: Weights | None = None,
    likeness: Likeness = SIMILAR,
) -> list[Candidate]:
    """Return up to `limit` photos of `space` that `viewer` may see, best first, ties by id.

    `weights` are by default those of the space, see `weights_for`.
    """
    try:
        form, parameters = _form(query, space, viewer, limit, weights, likeness)
    except EmptyResultSet:  # a filter that nothing can pass
        return []
    rows = _fetch(build_statement(form), parameters, prepare=form.is_recurring)
    segments = _in_order(query)
    return [_candidate(row, segments) for row in rows]


def explain(query: Query, *, space: EmbeddingSpace, viewer: Viewer, limit: int) -> str:
    """Return PostgreSQL's plan of the statement, as it ran."""
    form, parameters = _form(query, space, viewer, limit, None, SIMILAR)
    rows = _fetch(sql.SQL("EXPLAIN (ANALYZE, COSTS OFF) {}").format(build_statement(form)), parameters)
    return "\n".join(row[0] for row in rows)


def _fetch(statement: sql.SQL | sql.Composed, parameters: Mapping[str, Any], *, prepare: bool = False) -> list[Any]:
    with vectors.binary_cursor() as cursor:
        return cursor.execute(statement, parameters, binary=True, prepare=prepare).fetchall()


def _candidate(row: tuple[Any, ...], segments: Sequence[QuerySegment]) -> Candidate:
    photo_id, score, whole, segment, tags, *found = row
    matches = []
    for place, photo_rank, similarity, weight in zip(*found, strict=True):  # places count from 1
        asked = segments[place - 1]
        matches.append(SegmentMatch(asked.rank, photo_rank, similarity, asked.box, weight=weight))
    return Candidate(photo_id, score, whole, segment, tags, tuple(matches))


def _form(
    query: Query,
    space: EmbeddingSpace,
    viewer: Viewer,
    limit: int,
    weights: Weights | None,
    likeness: Likeness,
) -> tuple[Form, dict[str, Any]]:
    asked = {f"asked_{place}": one for place, one in enumerate(_in_order(query), start=1)}
    seekers = {f"seeking_{place}": one for place, one in enumerate(_most_telling(query.segments), start=1)}
    photos, parameters = compile_photos(searchable_photos(query.filters, viewer=viewer))
    form = Form(
        space.pk,
        space.dimensions,
        photos,
        limit=limit,
        near=max(limit, GLOBAL_NEIGHBOURS),
        near_segments=SEGMENT_NEIGHBOURS,
        as_wholes=AS_WHOLES,
        promising=max(PROMISING, 3 * limit),
        best_of=likeness.best_of or max(1, len(asked)),
        near_weights=NEIGHBOURS if likeness.by_distinctiveness else 0,
        filtered=are_narrow(query.filters),
        asked=tuple(asked),
        seeking=len(seekers),
        with_parts=bool(asked) or likeness.part_worth is not None,
        with_tags=bool(query.tags),
    )
    reach = _look_ahead(form, parameters, query.filters, viewer)
    given = {id(one): vectors.as_parameter(one.embedding) for one in query.segments}  # two may have the same rank
    parameters |= {name: given[id(one)] for name, one in (asked | seekers).items()}
    parameters |= _shares(query, weights or reach.weights or _weights_of(space.encoder))
    parameters |= {
        "few": reach.few,
        "query": vectors.as_parameter(query.embedding),
        "tags": list(query.tags),
        "part_worth": likeness.part_worth,
        "backward_share": 0.5 if likeness.both_ways else 0.0,
        "neutral": NEUTRAL,
        "softness": SOFTNESS,
    }
    return replace(form, graphs=reach.graphs, photos=photos if reach.graphs else ""), parameters


@dataclass(frozen=True, slots=True)
class _Reach:
    """The ids of photos to compare in any case, the graphs in which to look for others, and what staff set.

    The ids go back as PostgreSQL wrote them, `{1,2,3}`: to read and write hundreds would cost more than comparing them.
    """

    few: str
    graphs: tuple[Graph, ...]
    weights: Weights | None


def _look_ahead(form: Form, parameters: Mapping[str, Any], filters: Filters, viewer: Viewer) -> _Reach:
    sized = replace(form, graphs=vectors.GRAPHS if is_curator(viewer) else ("public",))
    given = {
        **parameters,
        "exact": EXACT_PHOTOS,
        "filter_first": FILTER_FIRST["parts" if form.with_parts else "wholes"],
        "unfiltered": not form.filtered,
    }
    ((ids, is_few, chosen),) = _fetch(build_count(sized), given, prepare=sized.is_recurring)
    weights = Weights(*chosen) if chosen else None
    if is_few:
        return _Reach(ids or "{}", (), weights)
    own = _own_private(filters, viewer)
    if own is None:
        return _Reach("{}", vectors.GRAPHS, weights)
    return _Reach(f"{{{','.join(map(str, own))}}}", ("public",), weights)


def _own_private(filters: Filters, viewer: Viewer) -> list[int] | None:
    """Return the ids of the private photos that the viewer may find, None where they are many."""
    if viewer is None or not viewer.is_authenticated:
        return []
    private = searchable_photos(filters, viewer=viewer).exclude(visibility=Visibility.PUBLIC)
    own = list(private.values_list("pk", flat=True)[: EXACT_PHOTOS + 1])
    return own if len(own) <= EXACT_PHOTOS else None


def _in_order(query: Query) -> list[QuerySegment]:
    return sorted(query.segments, key=lambda one: one.rank)


def compile_photos(photos: PhotoQuerySet) -> tuple[str, dict[str, Any]]:
    """Return the query set's SQL with named parameters: it stands in the statement more than once."""
    statement, values = photos.values("pk").query.sql_with_params()
    parameters = {f"photos_{index}": value for index, value in enumerate(values)}
    names = iter(parameters)
    named = re.sub("%[%s]", lambda found: f"%({next(names)})s" if found[0] == "%s" else "%%", statement)
    return named, parameters


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


def _most_telling(segments: Sequence[QuerySegment]) -> list[QuerySegment]:
    return sorted(segments, key=lambda one: (-one.quality * one.weight, one.rank))[:SEEKING_SEGMENTS]
