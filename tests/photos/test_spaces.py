"""Spaces beside one another: made, filled, swapped, dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from photos import vectors
from photos.errors import NoActiveSpaceError, SpaceIncompleteError, SpaceStateError
from photos.models import EmbeddingSpace, Photo, PhotoEmbedding, PhotoState, SegmentEmbedding
from photos.partitions import partition_name
from photos.services import spaces
from photos.vision.errors import UnknownModelError

pytestmark = pytest.mark.django_db


def partitions() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
        return {name for (name,) in cursor.fetchall()}


def names_of(space: EmbeddingSpace) -> set[str]:
    return {partition_name(table, space) for table in (vectors.PHOTO_TABLE, vectors.SEGMENT_TABLE)}


def test_it_works():
    with pytest.raises(NoActiveSpaceError):
        spaces.active_space()
    space = spaces.ensure_default_space()
    assert (space.slug, space.encoder, space.segmenter, space.dimensions) == (
        "classical-512",
        "classical-512",
        "windows",
        512,
    )
    assert space.spec["slug"] == "classical-512"
    assert spaces.active_space() == space
    assert spaces.ensure_default_space() == space
    assert partitions() == names_of(space)


@pytest.mark.django_db(transaction=True)
def test_two_that_race_make_one():
    def ensure(_number: int) -> int:
        try:
            return spaces.ensure_default_space().pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(ensure, range(4)))
    assert len(made) == 1
    assert EmbeddingSpace.objects.count() == 1


def test_an_unknown_encoder_is_refused():
    with pytest.raises(UnknownModelError):
        spaces.create_space("nonesuch")
    assert not EmbeddingSpace.objects.exists()


def test_a_slug_is_taken_once(space):
    with pytest.raises(SpaceStateError):
        spaces.create_space(space.slug)


@pytest.mark.django_db(transaction=True)
def test_a_new_space_is_filled_and_then_swapped_in(space, add, index):
    first, second = index(add(1)), index(add(2))
    other = spaces.create_space("other", encoder="classical-512", segmenter="regions")
    assert spaces.space_statistics(other).remaining == 2
    with pytest.raises(SpaceIncompleteError):
        spaces.activate_space(other)
    index(first)
    assert spaces.space_statistics(other).remaining == 1
    index(second)
    found = spaces.space_statistics(other)
    assert (found.photos, found.remaining, found.is_complete) == (2, 0, True)
    assert found.segments > 0
    spaces.activate_space(other)
    assert spaces.active_space() == other
    space.refresh_from_db()
    assert space.state == "building"
    assert PhotoEmbedding.objects.filter(space=space).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_photo_is_described_in_every_current_space(space, add, index):
    other = spaces.create_space("other", encoder="classical-512")
    gone = spaces.create_space("gone", encoder="classical-512")
    spaces.retire_space(gone)
    photo = index(add(1))
    assert photo.state == PhotoState.READY
    assert set(PhotoEmbedding.objects.values_list("space_id", flat=True)) == {space.pk, other.pk}
    # both see the same segments, so both have vectors for the same ranks
    ranks = {
        pk: set(SegmentEmbedding.objects.filter(space_id=pk).values_list("rank", flat=True))
        for pk in (space.pk, other.pk)
    }
    assert ranks[space.pk] == ranks[other.pk] == set(photo.segments.values_list("rank", flat=True))


def test_a_forced_swap_does_not_wait(space, add):
    add(1)
    other = spaces.create_space("other", encoder="classical-512")
    assert spaces.activate_space(other, force=True).state == "active"
    assert EmbeddingSpace.objects.filter(state="active").count() == 1


def test_a_retired_space_is_gone(space):
    other = spaces.create_space("other", encoder="classical-512")
    with pytest.raises(SpaceStateError):
        spaces.retire_space(space)
    spaces.activate_space(other, force=True)
    assert partitions() == names_of(space) | names_of(other)
    spaces.retire_space(space)
    assert partitions() == names_of(other)
    assert spaces.space_statistics(space).photos == 0
    with pytest.raises(SpaceStateError):
        spaces.activate_space(space, force=True)
    assert spaces.current_spaces() == [other]


def test_a_retired_slug_may_be_made_anew(space):
    other = spaces.create_space("other", encoder="classical-512")
    spaces.retire_space(other)
    again = spaces.create_space("other", encoder="classical-512")
    assert again.pk != other.pk
    assert again.state == "building"


@pytest.mark.django_db(transaction=True)
def test_deleting_a_photo_empties_every_space(space, add, index):
    spaces.create_space("other", encoder="classical-512")
    index(add(1))
    Photo.objects.get().delete()
    assert not PhotoEmbedding.objects.exists()
    assert not SegmentEmbedding.objects.exists()


def test_a_space_keeps_its_segmenters_settings(settings):
    settings.PRED_IOU_THRESH = 0.9
    settings.OWLV2_PROMPTS = "church"
    sam = spaces.create_space("classical-sam", encoder="classical-512", segmenter="sam-vit-b")
    objects = spaces.create_space("classical-objects", encoder="classical-512", segmenter="owlv2+sam-vit-l")
    plain = spaces.create_space("classical-512")
    assert sam.spec["segmenting"]["pred_iou_thresh"] == 0.9
    assert "owlv2_prompts" not in sam.spec["segmenting"]
    assert objects.spec["segmenting"]["owlv2_prompts"] == ["church"]
    assert "segmenting" not in plain.spec
    assert not any(map(spaces.tell_changed_settings, (sam, objects, plain)))
    settings.PRED_IOU_THRESH = 0.8
    told = spaces.tell_changed_settings(sam)
    assert "classical-sam was begun with other settings: PRED_IOU_THRESH was 0.9 and is 0.8." in told
    assert not spaces.tell_changed_settings(objects)
    assert not spaces.tell_changed_settings(plain)
