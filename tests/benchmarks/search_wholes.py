"""The photos nearest by their whole: the app's index and search against FAISS, numpy and plain pgvector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
from django.db import connection
from numpy.typing import NDArray
from psycopg import sql

from photos import partitions, vectors
from photos.models import EmbeddingSpace
from search.candidates import Likeness, Weights, find_candidates
from search.types import Query
from tests.benchmarks.search_places import Floats
from tests.benchmarks.search_timing import Course, Way, figure, print_courses, take_turns
from tests.benchmarks.search_world import QUESTIONS, Collection

NEAREST: Final = 10
FLAT, HNSW = "FAISS Flat", "FAISS HNSW (M 32, ef 64)"
OURS, OURS_WIDE, APP = "ours: nearest_photos_sql", "the same, ef 80", "ours: find_candidates"
WIDE: Final = 80
"""How wide a scan looks to find nearly all; else as the app's do."""

_WHOLE: Final = Weights(1.0, 0.0, 0.0)
_PLAINLY: Final = Likeness(part_worth=None)
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Index:
    """A reference index with what it took."""

    index: Any
    seconds: float
    mib: float

    def ask(self, questions: Floats) -> Callable[[int], NDArray[np.int64]]:
        return lambda number: self.index.search(questions[number : number + 1], NEAREST)[1][0]


def measure_wholes(collection: Collection) -> dict[str, Any]:
    """Print how all ways do and return the figure of `ann_NAME`."""
    wholes, questions = collection.wholes(), collection.questions.wholes
    flat, hnsw = make_flat(wholes), make_hnsw(wholes, collection.folder / "faiss_hnsw.index")
    truth = true_nearest(wholes, questions)
    ways = [
        Way(OURS, _by_index(collection.space, questions), prepare=lambda: set_ef_search(None)),
        Way(OURS_WIDE, _by_index(collection.space, questions), prepare=lambda: set_ef_search(WIDE)),
        Way(FLAT, flat.ask(questions)),
        Way(HNSW, hnsw.ask(questions)),
        Way(APP, _by_app(collection.space, questions), prepare=lambda: set_ef_search(None)),
        Way("numpy", lambda number: numpy_nearest(wholes, questions[number]), every=4),
        Way("pgvector without an index", _by_index(collection.space, questions, exact=True), every=10),
    ]
    courses = take_turns(ways, min(QUESTIONS, len(questions)))
    recalls = {name: _recall(collection, course, truth) for name, course in courses.items()}
    notes = {name: f"recall@10 {recall:.3f}" for name, recall in recalls.items()}
    notes[FLAT] += f", {flat.mib:.0f} MiB"
    notes[HNSW] += f", {hnsw.mib:.0f} MiB, built in {hnsw.seconds:.1f} s"
    notes[OURS] += f", {index_mib(collection.space):.0f} MiB index, {heap_mib(collection.space):.0f} MiB rows"
    notes[APP] += ", 100 candidates"
    print_courses(f"global, {len(collection)} photos", courses, notes)
    return figure(courses[OURS], courses[FLAT], recall=recalls[OURS], p95=courses[OURS].percentile_ms(95))


def make_flat(wholes: Floats) -> Index:
    began = time.perf_counter()
    index = faiss.IndexFlatIP(wholes.shape[1])
    index.add(wholes)
    return Index(index, time.perf_counter() - began, wholes.nbytes / _MIB)


def make_hnsw(wholes: Floats, path: Path) -> Index:
    """Build, or read what an earlier run built; its seconds are kept beside it."""
    seconds = path.with_suffix(".seconds")
    if not seconds.exists():
        began = time.perf_counter()
        index = faiss.IndexHNSWFlat(wholes.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 64
        index.add(wholes)
        took = time.perf_counter() - began
        faiss.write_index(index, str(path))
        seconds.write_text(str(took))
    kept: Any = faiss.read_index(str(path))
    kept.hnsw.efSearch = 64
    return Index(kept, float(seconds.read_text()), path.stat().st_size / _MIB)


def true_nearest(wholes: Floats, questions: Floats) -> list[NDArray[np.float32]]:
    """Return each question's similarities to all photos, (N,)."""
    return list(questions @ wholes.T)


def numpy_nearest(wholes: Floats, question: Floats) -> NDArray[np.int64]:
    similarities = wholes @ question
    best = np.argpartition(-similarities, NEAREST)[:NEAREST]
    return np.asarray(best[np.argsort(-similarities[best])])


def _by_index(space: EmbeddingSpace, questions: Floats, *, exact: bool = False) -> Callable[[int], list[int]]:
    statement = vectors.nearest_photos_sql(space, query=sql.Placeholder("query"), limit=NEAREST, exact=exact)

    def ask(number: int) -> list[int]:
        with vectors.binary_cursor() as cursor:
            given = {"query": vectors.as_parameter(questions[number])}
            rows = cursor.execute(statement, given, prepare=True).fetchall()
        return [photo_id for photo_id, _similarity in rows]

    return ask


def set_ef_search(wanted: int | None) -> None:
    """Set how wide HNSW scans look on this connection; None: as the app has it."""
    with connection.cursor() as cursor:
        cursor.execute("RESET hnsw.ef_search" if wanted is None else f"SET hnsw.ef_search = {wanted:d}")


def _by_app(space: EmbeddingSpace, questions: Floats) -> Callable[[int], list[int]]:
    def ask(number: int) -> list[int]:
        query = Query(questions[number], space.slug)
        found = find_candidates(query, space=space, viewer=None, limit=NEAREST, weights=_WHOLE, likeness=_PLAINLY)
        return [one.photo_id for one in found]

    return ask


def _recall(collection: Collection, course: Course, truth: Sequence[NDArray[np.float32]]) -> float:
    """Return recall@10; where a visitor asks, or the visitors' graph, without every 33rd photo, which are private."""
    hidden = (np.arange(len(collection)) + 1) % 33 == 0
    numbers = {pk: number for number, pk in enumerate(collection.photo_ids.tolist())}

    def judge(index: int, answer: Sequence[int]) -> float:
        is_reference = course.name in {FLAT, HNSW, "numpy"}
        similarities = truth[index] if is_reference else np.where(hidden, -2, truth[index])
        best = set(np.argpartition(-similarities, NEAREST)[:NEAREST].tolist())
        found = answer if is_reference else {numbers[pk] for pk in answer}
        return len(best & set(found)) / NEAREST

    return course.share(judge)


def index_mib(space: EmbeddingSpace, table: str = vectors.PHOTO_TABLE) -> float:
    return sum(_relation_mib(partitions.index_name(table, space, graph)) for graph in vectors.GRAPHS)


def heap_mib(space: EmbeddingSpace, table: str = vectors.PHOTO_TABLE) -> float:
    return _relation_mib(partitions.partition_name(table, space))


def _relation_mib(name: str) -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s::regclass)", [name])
        (size,) = cursor.fetchone() or (0,)
    return float(size) / _MIB
