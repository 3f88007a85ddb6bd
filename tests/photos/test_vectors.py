"""The vectors' SQL: that the indexes serve it, that the other partitions are pruned, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.db import DataError, IntegrityError, connection, transaction
from psycopg import sql

from photos import partitions, vectors
from photos.models import EmbeddingSpace, Photo, PhotoEmbedding, SegmentEmbedding
from photos.services import spaces

pytestmark = pytest.mark.django_db

QUERY = sql.Placeholder("query")


def units(count: int, dimensions: int = 512, seed: int = 0) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return np.asarray(numbers / np.linalg.norm(numbers, axis=1, keepdims=True))


def make_photos(count: int) -> list[int]:
    rows = [Photo(image=f"photos/{n}.jpg", sha256=f"{n:064x}", width=9, height=9, state="ready") for n in range(count)]
    return [photo.pk for photo in Photo.objects.bulk_create(rows)]


def fill(space: EmbeddingSpace, count: int, *, segments: int = 0, seed: int = 0) -> tuple[list[int], np.ndarray]:
    ids, wholes = make_photos(count), units(count, space.dimensions, seed)
    vectors.write_photo_vectors(space, dict(zip(ids, wholes, strict=True)))
    if segments:
        parts = units(count * segments, space.dimensions, seed + 1).reshape(count, segments, -1)
        ranked = {pk: dict(enumerate(rows)) for pk, rows in zip(ids, parts, strict=True)}
        vectors.write_segment_vectors(space, ranked)
    return ids, wholes


def fetch(statement: sql.Composed, vector: np.ndarray, **parameters: object) -> list[Any]:
    with vectors.binary_cursor() as cursor:
        return cursor.execute(statement, {"query": vectors.as_parameter(vector), **parameters}).fetchall()


def plan(statement: sql.Composed, vector: np.ndarray) -> str:
    with vectors.binary_cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    rows = fetch(sql.SQL("EXPLAIN (COSTS OFF) {}").format(statement), vector)
    return "\n".join(row[0] for row in rows)


@pytest.fixture
def two_spaces(space):
    return space, spaces.create_space("other", encoder="classical-512")


def test_it_works(space):
    ids, wholes = fill(space, 300, segments=2)
    found = fetch(vectors.nearest_photos_sql(space, query=QUERY, limit=5), wholes[7])
    assert found[0] == (ids[7], pytest.approx(1.0, abs=2e-3))
    assert [row[1] for row in found] == sorted((row[1] for row in found), reverse=True)
    truth = np.argsort(-(wholes @ wholes[7]))[:5]
    assert len({row[0] for row in found} & {ids[n] for n in truth}) >= 4


def test_exact_search_is_exact(space):
    ids, wholes = fill(space, 200)
    query = units(1, seed=9)[0]
    found = fetch(vectors.nearest_photos_sql(space, query=QUERY, limit=20, exact=True), query)
    similarities = wholes.astype(np.float16).astype(np.float32) @ query
    assert [row[0] for row in found] == [ids[n] for n in np.argsort(-similarities)[:20]]
    assert [row[1] for row in found] == pytest.approx(np.sort(-similarities)[:20] * -1, abs=1e-3)


def test_photos_use_their_index_and_prune_the_other_spaces(two_spaces):
    space, other = two_spaces
    fill(space, 50)
    found = plan(vectors.nearest_photos_sql(space, query=QUERY, limit=5), units(1)[0])
    assert f"Index Scan using photos_photoembedding_{space.pk}_hnsw" in found
    assert f"photos_photoembedding_{other.pk}" not in found


def test_segments_use_their_index_and_prune_the_other_spaces(two_spaces):
    space, other = two_spaces
    fill(space, 50, segments=3)
    found = plan(vectors.nearest_segments_sql(space, query=QUERY, limit=5), units(1)[0])
    assert f"Index Scan using photos_segmentembedding_{space.pk}_hnsw" in found
    assert f"photos_segmentembedding_{other.pk}" not in found


def test_the_fragment_works_with_djangos_cursor_too(space):
    ids, wholes = fill(space, 40)
    statement = vectors.nearest_photos_sql(space, query=QUERY, limit=3)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"query": vectors.as_parameter(wholes[3]).to_text()})
        assert cursor.fetchone()[0] == ids[3]


def test_the_filter_is_met_by_all_and_fills_the_limit(space):
    ids, wholes = fill(space, 400)
    hidden = set(ids[::2])
    Photo.objects.filter(pk__in=hidden).update(visibility="private")
    where = sql.SQL("p.visibility = 'public'")
    found = fetch(vectors.nearest_photos_sql(space, query=QUERY, limit=150, where=where), wholes[0])
    assert len(found) == 150
    assert not hidden & {row[0] for row in found}


def test_segments_are_found_by_their_signs_and_compared_exactly(space):
    ids, _ = fill(space, 100, segments=3, seed=4)
    parts = units(300, 512, 5).reshape(100, 3, -1)
    found = fetch(vectors.nearest_segments_sql(space, query=QUERY, limit=10), parts[20, 1])
    assert found[0] == (ids[20], 1, pytest.approx(1.0, abs=2e-3))
    exact = fetch(vectors.nearest_segments_sql(space, query=QUERY, limit=10, exact=True), parts[20, 1])
    assert exact[0][:2] == (ids[20], 1)


def test_the_limit_may_exceed_the_default_ef_search(space):
    _, wholes = fill(space, 400)
    found = fetch(vectors.nearest_photos_sql(space, query=QUERY, limit=sql.Placeholder("n")), wholes[0], n=100)
    assert len(found) == 100


@pytest.mark.parametrize("dimensions", [3, 511, 513])
def test_a_wrong_dimension_is_refused(space, dimensions):
    (pk,) = make_photos(1)
    wrong = units(1, dimensions)[0]
    with pytest.raises(IntegrityError), transaction.atomic():
        vectors.write_photo_vectors(space, {pk: wrong})
    with pytest.raises(IntegrityError), transaction.atomic():
        vectors.write_segment_vectors(space, {pk: {0: wrong}})
    with pytest.raises(DataError), transaction.atomic():
        fetch(vectors.nearest_photos_sql(space, query=QUERY, limit=1), wrong)


@pytest.mark.parametrize("vector", [np.zeros(512), np.full(512, np.nan), np.full(512, np.inf), np.ones((2, 256))])
def test_a_vector_that_is_none_is_refused(space, vector):
    with pytest.raises(ValueError, match="expected a"):
        vectors.as_parameter(vector)


def test_vectors_of_no_space_are_refused(space):
    (pk,) = make_photos(1)
    space.pk = 999_999
    with pytest.raises(IntegrityError), transaction.atomic():
        vectors.write_photo_vectors(space, {pk: units(1)[0]})


def test_writing_again_replaces(space):
    (pk,) = make_photos(1)
    first, second = units(2)
    vectors.write_photo_vectors(space, {pk: first})
    vectors.write_photo_vectors(space, {pk: second})
    vectors.write_segment_vectors(space, {pk: {0: first, 1: first, 2: first}})
    vectors.write_segment_vectors(space, {pk: {0: second}})
    assert np.allclose(PhotoEmbedding.objects.get(photo_id=pk).vector, second, atol=1e-3)
    assert [row.rank for row in SegmentEmbedding.objects.filter(photo_id=pk)] == [0]


def test_vectors_come_back_in_binary(space):
    _, wholes = fill(space, 3)
    statement = sql.SQL("SELECT {} FROM photos_photoembedding e ORDER BY photo_id").format(vectors.vector_bytes_sql())
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = np.stack([vectors.from_bytes(row[0]) for row in cursor.fetchall()])
    assert found.dtype == np.float32
    assert np.allclose(found, wholes, atol=1e-3)


def test_indexes_made_after_loading_serve_as_those_made_before(space):
    partitions.drop_indexes(space)
    _, wholes = fill(space, 200, segments=2)
    statement = vectors.nearest_photos_sql(space, query=QUERY, limit=5)
    assert "hnsw" not in plan(statement, wholes[0])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # check the keys now: no index is made while checks wait
    partitions.create_indexes(space)
    assert f"{partitions.partition_name(vectors.PHOTO_TABLE, space)}_hnsw" in plan(statement, wholes[0])
    assert "_hnsw" in plan(vectors.nearest_segments_sql(space, query=QUERY, limit=5), wholes[0])


def test_vectors_are_stored_beside_their_keys(space):
    """Not TOASTed: re-ranking reads thousands of them."""
    names = [partitions.partition_name(table, space) for table in (vectors.PHOTO_TABLE, vectors.SEGMENT_TABLE)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE attname = 'vector' AND relname = ANY(%s)",
            [names],
        )
        assert [row[0] for row in cursor.fetchall()] == ["p", "p"]


def test_the_connection_has_the_options(space):
    """After the extension was used: its own check of the values has run."""
    fill(space, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('hnsw.ef_search')::int, current_setting('hnsw.iterative_scan'),"
            " current_setting('plan_cache_mode'), current_setting('jit')"
        )
        assert cursor.fetchone() == (24, "relaxed_order", "auto", "off")
    assert getattr(connection, "pool", None) is not None
