"""Whole and ten segments together: the app's one statement against the many queries one would write first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from psycopg import sql

from photos import vectors
from photos.models import EmbeddingSpace
from search.candidates import AS_WHOLES, GLOBAL_NEIGHBOURS, SEEKING_SEGMENTS, SEGMENT_NEIGHBOURS, find_candidates
from search.types import Filters, Query, QuerySegment
from tests.benchmarks import search_naive
from tests.benchmarks.search_places import Floats
from tests.benchmarks.search_timing import Way, figure, median_ratio, print_courses, take_turns
from tests.benchmarks.search_wholes import heap_mib, index_mib
from tests.benchmarks.search_world import QUICK, Collection

LIMIT: Final = 20
QUESTIONS: Final = 10 if QUICK else 100
OURS, SCANS = "ours: find_candidates", "its index scans alone"
NAIVE, TOGETHER = "a query per vector, a fetch per candidate", "a query per vector, one binary fetch"
_VISIBLE: Final = sql.SQL("p.visibility = 'public'")


def measure_hybrid(collection: Collection) -> dict[str, Any]:
    """Print how all ways do and return the figure of `hybrid_NAME`."""
    space, questions = collection.space, [make_query(collection, number) for number in range(QUESTIONS)]
    ways = [
        Way(OURS, lambda number: _ids(questions[number], space)),
        Way(SCANS, _scans(questions, space)),
        Way(
            TOGETHER, lambda number: search_naive.search(questions[number], space, limit=LIMIT, together=True), every=2
        ),
        Way(NAIVE, lambda number: search_naive.search(questions[number], space, limit=LIMIT), every=10),
    ]
    courses = take_turns(ways, QUESTIONS)
    places = dict(zip(collection.photo_ids.tolist(), collection.places.tolist(), strict=True))

    def is_right(number: int, answer: Sequence[int]) -> float:
        return float(places[answer[0]] == collection.questions.places[number])

    def agrees(number: int, answer: Sequence[int]) -> float:
        return float(answer[0] == courses[OURS].answers[number][0])

    notes = {
        name: f"top-1 at the right place {courses[name].share(is_right):.3f}, same photo as ours"
        f" {courses[name].share(agrees):.3f}"
        for name in (OURS, NAIVE, TOGETHER)
    }
    scans_ratio = median_ratio(courses[OURS], courses[SCANS])
    notes[SCANS] = f"ours takes {scans_ratio:.2f} times as long (target 1.5)"
    sizes = [
        f"{size(space, vectors.SEGMENT_TABLE):.0f} MiB segments' {what}"
        for what, size in {"index": index_mib, "rows": heap_mib}.items()
    ]
    segments = len(collection) * collection.questions.segments.shape[1]
    print_courses(f"hybrid, {len(collection)} photos, {segments} segments", courses, notes)
    print(f"  {', '.join(sizes)}")
    return figure(
        courses[OURS],
        courses[NAIVE],
        p95=courses[OURS].percentile_ms(95),
        top_1=courses[OURS].share(is_right),
        reference_top_1=courses[NAIVE].share(is_right),
        to_scans=scans_ratio,
        to_binary_fetch=median_ratio(courses[TOGETHER], courses[OURS]),
    )


def make_query(collection: Collection, number: int, filters: Filters = Filters(), segments: int = 10) -> Query:  # noqa: B008 - frozen
    """Return a question with its segments in an order that says nothing of their worth."""
    questions = collection.questions
    index = number % len(questions)
    order = np.random.default_rng(number).permutation(questions.segments.shape[1])[:segments]
    asked = tuple(
        QuerySegment(rank, questions.segments[index, which], (0, 0, 100, 100)) for rank, which in enumerate(order)
    )
    return Query(questions.wholes[index], collection.space.slug, asked, filters=filters)


def _ids(query: Query, space: EmbeddingSpace) -> list[int]:
    return [one.photo_id for one in find_candidates(query, space=space, viewer=None, limit=LIMIT)]


def _scans(questions: Sequence[Query], space: EmbeddingSpace) -> Callable[[int], int]:
    """Return a way to run just the index scans of our statement, in one statement of their own."""
    asked = [sql.Placeholder(f"asked_{number}") for number in range(SEEKING_SEGMENTS + 1)]
    wholes = [
        vectors.nearest_photos_sql(space, query=one, limit=limit, where=_VISIBLE)
        for one, limit in zip(asked, [GLOBAL_NEIGHBOURS] + [SEGMENT_NEIGHBOURS] * AS_WHOLES, strict=False)
    ]
    parts = [vectors.nearest_segments_sql(space, query=one, limit=SEGMENT_NEIGHBOURS, where=_VISIBLE) for one in asked]
    branches = [sql.SQL("SELECT photo_id FROM ({}) AS found").format(scan) for scan in [*wholes, *parts]]
    statement = sql.SQL(" UNION ALL ").join(branches)

    def ask(number: int) -> int:
        query = questions[number]
        given: list[Floats] = [query.embedding, *(one.embedding for one in query.segments[:SEEKING_SEGMENTS])]
        parameters = {f"asked_{index}": vectors.as_parameter(vector) for index, vector in enumerate(given)}
        with vectors.binary_cursor() as cursor:
            return len(cursor.execute(statement, parameters, prepare=True).fetchall())

    return ask
