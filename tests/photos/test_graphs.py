"""The vectors of public and of private photos stand in graphs of their own, and follow their photos into them."""

from __future__ import annotations

import django_rq
import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from photos import jobs, partitions, vectors
from photos.models import Photo, PhotoEmbedding, SegmentEmbedding
from photos.models.photo import in_wrong_graph
from photos.services import bulk, cleaning, editing, graphs, indexing
from photos.services.spaces import create_space
from tests.photos.test_vectors import fetch, make_photos, plan, units

pytestmark = pytest.mark.django_db

QUERY = sql.Placeholder("query")


def describe(space, pk, *, segments=2):
    rows = units(segments + 1, seed=pk)
    vectors.write_photo_vectors(space, {pk: rows[0]})
    vectors.write_segment_vectors(space, {pk: dict(enumerate(rows[1:]))})


def graphs_of(pk):
    """Whether the photo's vectors are public, as a set of one."""
    found = {row.is_public for model in (PhotoEmbedding, SegmentEmbedding) for row in model.objects.filter(photo_id=pk)}
    assert len(found) <= 1
    return found


def work():
    """Do what the queue has rung for, as the workers do."""
    rung = [job for job in django_rq.get_queue("index").jobs if job.func_name == graphs.JOB]
    for job in rung:
        jobs.move_vectors(*job.args)
        job.delete()
    return len(rung)


@pytest.fixture
def photo(space):
    (pk,) = make_photos(1)
    describe(space, pk)
    return Photo.objects.get(pk=pk)


def test_it_works(space, photo):
    assert graphs_of(photo.pk) == {True}
    Photo.objects.filter(pk=photo.pk).update(visibility="private")
    assert graphs.move_vectors(photo.pk)
    assert graphs_of(photo.pk) == {False}
    assert not graphs.move_vectors(photo.pk)
    assert not Photo.objects.filter(in_wrong_graph()).exists()


@pytest.mark.parametrize("graph", vectors.GRAPHS)
def test_each_graph_has_its_own_photos_alone(space, graph):
    ids = make_photos(40)
    private = set(ids[::4])
    Photo.objects.filter(pk__in=private).update(visibility="private")
    for pk in ids:
        describe(space, pk)
    vector = units(1)[0]
    of_photos = vectors.nearest_photos_sql(space, query=QUERY, limit=100, graph=graph)
    of_segments = vectors.nearest_segments_sql(space, query=QUERY, limit=200, graph=graph)
    expected = private if graph == "private" else set(ids) - private
    assert {row[0] for row in fetch(of_photos, vector)} == expected
    assert {row[0] for row in fetch(of_segments, vector)} == expected
    assert partitions.index_name(vectors.PHOTO_TABLE, space, graph) in plan(of_photos, vector)
    assert partitions.index_name(vectors.SEGMENT_TABLE, space, graph) in plan(of_segments, vector)


def test_a_photo_that_was_withdrawn_stays_in_one_graph_until_it_is_moved(space, photo):
    """Described in another space meanwhile, it goes where its other vectors are."""
    Photo.objects.filter(pk=photo.pk).update(visibility="private")
    describe(create_space("other", encoder="classical-512"), photo.pk)
    assert graphs_of(photo.pk) == {True}
    graphs.move_vectors(photo.pk)
    assert graphs_of(photo.pk) == {False}


def test_saving_an_old_copy_does_not_undo_the_move(photo):
    former = Photo.objects.get(pk=photo.pk)
    editing.update_photo(photo, changes={"visibility": "private"})
    graphs.move_vectors(photo.pk)
    former.title = "Gate"
    former.save()  # public again, as it was read
    assert Photo.objects.filter(in_wrong_graph(), pk=photo.pk).exists()
    graphs.move_vectors(photo.pk)
    assert graphs_of(photo.pk) == {True}


def change_one(photo):
    editing.update_photo(photo, changes={"visibility": "private"})


def change_many(photo):
    bulk.set_visibility(Photo.objects.filter(pk=photo.pk), "private")


def save_all(photo):
    photo.visibility = "private"
    photo.save()


@pytest.mark.parametrize("withdraw", [change_one, change_many, save_all])
def test_it_rings_when_a_photo_is_withdrawn(photo, withdraw, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        withdraw(photo)
    assert work() == 1
    assert graphs_of(photo.pk) == {False}


def test_the_reconciler_finds_what_nobody_rang_for(photo):
    Photo.objects.filter(pk=photo.pk).update(visibility="private")
    assert indexing.reconcile()["graphs"] == 1
    assert indexing.reconcile()["graphs"] == 0  # it is in the queue
    work()
    assert graphs_of(photo.pk) == {False}
    assert indexing.reconcile()["graphs"] == 0


def test_a_photo_without_vectors_has_none_to_move(space):
    (pk,) = make_photos(1)
    Photo.objects.filter(pk=pk).update(visibility="private")
    assert not graphs.move_vectors(pk)
    describe(space, pk)
    assert graphs_of(pk) == {False}


def test_a_new_picture_is_described_among_its_like(photo, space):
    Photo.objects.filter(pk=photo.pk).update(visibility="private")
    cleaning.forget_picture(photo, "", photo.sha256)
    describe(space, photo.pk)
    graphs.move_vectors(photo.pk)
    assert graphs_of(photo.pk) == {False}


@pytest.mark.django_db(transaction=True)
def test_the_migration_splits_what_there_is(space):
    """And joins it again on the way back."""
    public, private = make_photos(2)
    Photo.objects.filter(pk=private).update(visibility="private")
    for pk in (public, private):
        describe(space, pk)
    MigrationExecutor(connection).migrate([("photos", "0007_place_follow")])
    try:
        assert indexes_of(space) == {f"photos_{kind}embedding_{space.pk}_hnsw" for kind in ("photo", "segment")}
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    assert [graphs_of(pk) for pk in (public, private)] == [{True}, {False}]
    assert partitions.has_indexes(space)
    assert indexes_of(space) == {
        partitions.index_name(table, space, graph)
        for table in (vectors.PHOTO_TABLE, vectors.SEGMENT_TABLE)
        for graph in vectors.GRAPHS
    }
    assert Photo.objects.get(pk=private).graph_visibility == "private"
    query = units(3, seed=private)[0]
    for graph, pk in zip(vectors.GRAPHS, (public, private), strict=True):
        statement = vectors.nearest_photos_sql(space, query=QUERY, limit=2, graph=graph)
        assert [row[0] for row in fetch(statement, query)] == [pk]


def indexes_of(space):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%%hnsw%%' AND tablename LIKE %s",
            [f"photos\\_%embedding\\_{space.pk}"],
        )
        return {name for (name,) in cursor.fetchall()}
