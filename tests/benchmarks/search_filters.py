"""Narrow filters: the app's search against an exact comparison of just the rows that pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from photos import vectors
from photos.filters import BoundingBox
from photos.models import EmbeddingSpace, Photo
from search.candidates import Likeness, Weights, compile_photos, find_candidates
from search.filtering import searchable_photos
from search.types import Filters, Query
from tests.benchmarks.search_timing import Way, figure, print_courses, take_turns
from tests.benchmarks.search_world import QUICK, Collection

NEAREST: Final = 10
QUESTIONS: Final = 20 if QUICK else 200
OURS, EXACT, PLAIN = "ours: find_candidates", "exact, of just those rows", "HNSW, filtered after"
_WHOLE: Final = Weights(1.0, 0.0, 0.0)
_PLAINLY: Final = Likeness(part_worth=None)


@dataclass(frozen=True, slots=True)
class Narrow:
    """A filter with the ids that pass it, as a visitor."""

    name: str
    filters: Filters
    ids: NDArray[np.int64]


def measure_filters(collection: Collection) -> dict[str, Any]:
    """Print how all ways do under filters of 0.5 and 0.05 % and return their figures, of tags and boxes."""
    wholes = collection.wholes().astype(np.float16).astype(np.float32)
    figures = {}
    for name, share in {"filter_0_5": 0.005, "filter_0_05": 0.0005}.items():
        tag = Filters(tags=("rare-" + name.removeprefix("filter_").replace("_", "-"),))
        tagged = Photo.objects.filter(tags__name=tag.tags[0], visibility="public").values_list("pk", flat=True)
        figures[name] = _measure(collection, wholes, Narrow("tag", tag, np.array(tagged)))
        figures[f"{name}_box"] = _measure(collection, wholes, _box(len(collection) * share))
    return figures


def _box(wanted: float) -> Narrow:
    """Return a box with about so many photos in it."""
    points = Photo.objects.filter(visibility="public", public_latitude__isnull=False)
    rows = np.array(list(points.values_list("pk", "public_latitude", "public_longitude")))
    ids, places = rows[:, 0].astype(np.int64), rows[:, 1:]
    middle = np.median(places[np.argsort(np.abs(places - places[len(places) // 3]).max(axis=1))[:50]], axis=0)
    away = np.abs(places - middle).max(axis=1)
    reach = float(np.sort(away)[max(1, round(wanted)) - 1])
    (south, west), (north, east) = middle - reach, middle + reach
    return Narrow("box", Filters(bbox=BoundingBox(west, south, east, north)), ids[away <= reach])


def _measure(collection: Collection, wholes: NDArray[np.float32], narrow: Narrow) -> dict[str, Any]:
    space, questions = collection.space, collection.questions.wholes
    numbers = {pk: number for number, pk in enumerate(collection.photo_ids.tolist())}
    rows = np.array([numbers[pk] for pk in narrow.ids.tolist()])

    def ours(index: int) -> list[int]:
        query = Query(questions[index], space.slug, filters=narrow.filters)
        found = find_candidates(query, space=space, viewer=None, limit=NEAREST, weights=_WHOLE, likeness=_PLAINLY)
        return [one.photo_id for one in found]

    ways = [
        Way(OURS, ours),
        Way(EXACT, _exact(space, questions, narrow.filters)),
        Way(PLAIN, _filtered_after(space, questions, narrow.ids), every=10),
    ]
    courses = take_turns(ways, min(QUESTIONS, len(questions)))

    def recall(index: int, answer: Sequence[int]) -> float:
        similarities = wholes[rows] @ questions[index]
        least = np.sort(similarities)[-min(NEAREST, len(rows))] - 1e-3  # the database rounds to half precision
        good = sum(float(wholes[numbers[pk]] @ questions[index]) >= least for pk in answer)
        return float(good / min(NEAREST, len(rows)))

    recalls = {name: course.share(recall) for name, course in courses.items()}
    more = courses[OURS].median_ms - courses[EXACT].median_ms
    notes = {name: f"recall@10 {value:.3f}" for name, value in recalls.items()}
    notes[OURS] += f", {more:+.2f} ms (target 1)"
    print_courses(f"filter by {narrow.name}: {len(rows)} of {len(collection)}", courses, notes)
    return figure(courses[OURS], courses[EXACT], recall=recalls[OURS], more_ms=more)


def _exact(space: EmbeddingSpace, questions: NDArray[np.float32], filters: Filters) -> Callable[[int], list[int]]:
    """Return the least that an exact answer takes: just the rows that pass are compared, by one plain statement."""
    query = sql.Placeholder("query")

    def ask(index: int) -> list[int]:
        photos, given = compile_photos(searchable_photos(filters, viewer=None))
        where = sql.SQL("p.id IN ({})").format(sql.SQL(photos))
        statement = vectors.nearest_photos_sql(space, query=query, limit=NEAREST, where=where, exact=True)
        with vectors.binary_cursor() as cursor:
            rows = cursor.execute(statement, {"query": vectors.as_parameter(questions[index]), **given}).fetchall()
        return [pk for pk, _ in rows]

    return ask


def _filtered_after(
    space: EmbeddingSpace, questions: NDArray[np.float32], ids: NDArray[np.int64]
) -> Callable[[int], list[int]]:
    """Return what HNSW alone finds: the nearest of all, of which those that pass are kept."""
    statement = vectors.nearest_photos_sql(space, query=sql.Placeholder("query"), limit=200)
    wanted = set(ids.tolist())

    def ask(index: int) -> list[int]:
        with vectors.binary_cursor() as cursor:
            rows = cursor.execute(statement, {"query": vectors.as_parameter(questions[index])}).fetchall()
        return [pk for pk, _ in rows if pk in wanted][:NEAREST]

    return ask
