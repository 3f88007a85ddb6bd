"""Vectors from files of features, copied into a space that searches use."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from psycopg import sql

from photos import partitions, vectors
from photos.errors import SpaceStateError
from photos.models import EmbeddingSpace, Photo, PhotoEmbedding, PhotoState
from photos.services import feature_import, spaces
from photos.services.feature_import import FeaturesRefusedError, import_features
from photos.vision.interchange import feature_files

pytestmark = pytest.mark.django_db

DIMENSIONS = 512


def make_photos(count: int, **fields) -> list[Photo]:
    rows = [
        Photo(image=f"photos/{number}.jpg", sha256=f"{number:064x}", width=9, height=9, original_name=f"p{number}.jpg")
        for number in range(count)
    ]
    made = Photo.objects.bulk_create(rows)
    Photo.objects.update(state=PhotoState.READY, indexed_at=timezone.now() - timedelta(hours=1), **fields)
    return made


def rows_of(count: int, seed: int = 0, dimensions: int = DIMENSIONS) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def write(path, ids, rows):
    with feature_files.open_writer(path) as writer:
        writer.append(ids, rows)
        writer.finish()
    return path


def stored(space) -> dict[int, np.ndarray]:
    return vectors.read_vectors(space, Photo.objects.values_list("pk", flat=True))[0]


def test_it_works(tmp_path, capsys):
    photos = make_photos(4)
    rows = rows_of(4)
    write(tmp_path / "a.hdf5", [str(photos[0].uuid), "elsewhere/p1.jpg"], rows[:2])
    write(tmp_path / "b.parquet", [f"{photos[2].uuid}.jpg", "p3.jpg"], rows[2:])
    files = [str(tmp_path / "a.hdf5"), str(tmp_path / "b.parquet")]
    call_command("import_features", *files, space="mine", create="classical-512", verbosity=0)
    told = capsys.readouterr().out
    assert "4 vectors copied into mine." in told
    assert "it is complete; `manage.py models activate mine`" in told
    space = spaces.activate_space(EmbeddingSpace.objects.get(slug="mine"))
    found = stored(space)
    for photo, row in zip(photos, rows, strict=True):
        assert found[photo.pk] @ row == pytest.approx(1, abs=1e-3)
    with vectors.binary_cursor() as cursor:
        nearest = vectors.nearest_photos_sql(space, query=sql.Placeholder("query"), limit=1)
        cursor.execute(nearest, {"query": vectors.as_parameter(rows[2])})
        assert [row[0] for row in cursor.fetchall()] == [photos[2].pk]
    assert partitions.has_indexes(space)


def test_rows_that_name_no_photo_or_several_are_told(tmp_path, capsys):
    photos = make_photos(3)
    Photo.objects.filter(pk=photos[2].pk).update(original_name="p1.jpg")
    rows = rows_of(4)
    rows[3] = 0
    write(tmp_path / "f.hdf5", ["p0.jpg", "p1.jpg", "x.jpg", str(photos[2].uuid)], rows)
    call_command("import_features", str(tmp_path / "f.hdf5"), space="mine", create="classical-512", verbosity=0)
    told = capsys.readouterr().out
    assert "1 vectors copied" in told
    assert "1 name no photo here, for instance x.jpg" in told
    assert "1 name several photos, for instance p1.jpg" in told
    assert f"1 are zero or not finite, for instance {photos[2].uuid}" in told
    assert "2 photos remain to be described in it" in told


def test_doing_it_again_changes_nothing_and_other_vectors_take_their_place(tmp_path):
    photos = make_photos(2)
    space = spaces.create_space("mine", encoder="classical-512")
    ids = [photo.original_name for photo in photos]
    first = write(tmp_path / "a.hdf5", ids, rows_of(2))
    assert [import_features([first], space).written for _ in range(2)] == [2, 2]
    import_features([write(tmp_path / "b.hdf5", ids[:1], rows_of(1, seed=9))], space)
    found = stored(space)
    assert PhotoEmbedding.objects.filter(space=space).count() == 2
    assert found[photos[0].pk] @ rows_of(1, seed=9)[0] == pytest.approx(1, abs=1e-3)
    assert found[photos[1].pk] @ rows_of(2)[1] == pytest.approx(1, abs=1e-3)


def test_photos_that_lack_another_space_are_left_to_the_workers(tmp_path):
    photos = make_photos(2)
    space = spaces.create_space("mine", encoder="classical-512")
    path = write(tmp_path / "a.hdf5", [photo.original_name for photo in photos], rows_of(2))
    other = spaces.create_space("other", encoder="classical-512")
    EmbeddingSpace.objects.filter(pk__in=[space.pk, other.pk]).update(created_at=timezone.now())
    Photo.objects.filter(pk=photos[0].pk).update(indexed_at=timezone.now() - timedelta(hours=2))
    EmbeddingSpace.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(minutes=90))
    import_features([path], space)
    assert spaces.remaining_photos(space) == 1
    assert spaces.remaining_photos(other) == 1


def test_with_describe_workers_come_to_the_photos_too(tmp_path):
    photos = make_photos(2)
    space = spaces.create_space("mine", encoder="classical-512")
    EmbeddingSpace.objects.filter(pk=space.pk).update(created_at=timezone.now())
    import_features([write(tmp_path / "a.hdf5", ["p0.jpg"], rows_of(1))], space, mark_described=False)
    assert spaces.remaining_photos(space) == len(photos)


def test_a_killed_import_is_indexed_by_the_next(tmp_path, monkeypatch):
    photos = make_photos(3)
    space = spaces.create_space("mine", encoder="classical-512")
    ids = [photo.original_name for photo in photos]
    monkeypatch.setattr(feature_import, "ROWS_AT_ONCE", 1)
    path = write(tmp_path / "a.hdf5", ids, rows_of(3))

    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_features([path], space, progress=stop)
    assert PhotoEmbedding.objects.filter(space=space).count() == 1
    assert partitions.has_indexes(space)
    partitions.drop_indexes(space)
    import_features([path], space)
    assert partitions.has_indexes(space)
    assert PhotoEmbedding.objects.filter(space=space).count() == 3


def test_an_active_space_keeps_its_indexes(tmp_path, space):
    photos = make_photos(1)
    kept = []
    path = write(tmp_path / "a.hdf5", [photos[0].original_name], rows_of(1))
    import_features([path], space, progress=lambda _count: kept.append(partitions.has_indexes(space)))
    assert kept == [True]


def test_vectors_of_another_length_are_refused(tmp_path, space):
    path = write(tmp_path / "a.hdf5", ["a"], rows_of(1, dimensions=768))
    with pytest.raises(FeaturesRefusedError, match="expected 512 dimensions for space 'classical-512', got 768"):
        import_features([path], space)
    with pytest.raises(FeaturesRefusedError, match="512MB or 2GB, not 'much'"):
        import_features([path], space, index_memory="much")


def test_a_retired_space_is_refused(tmp_path):
    made = spaces.create_space("mine", encoder="classical-512")
    spaces.retire_space(made)
    with pytest.raises(SpaceStateError, match="is retired"):
        import_features([write(tmp_path / "a.hdf5", ["a"], rows_of(1))], made)


def test_the_command_says_what_is_missing(tmp_path, space):
    path = write(tmp_path / "a.hdf5", ["a"], rows_of(1))
    with pytest.raises(CommandError, match="no space 'mine'; there are: classical-512; --create"):
        call_command("import_features", str(path), space="mine", verbosity=0)
    with pytest.raises(CommandError, match="there is no file"):
        call_command("import_features", str(tmp_path / "none.hdf5"), space="mine", verbosity=0)
    with pytest.raises(CommandError, match="unknown encoder"):
        call_command("import_features", str(path), space="mine", create="none", verbosity=0)
