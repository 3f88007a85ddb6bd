"""The stored weights: who has a say in them, and how a round goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from photos import jobs as photo_jobs
from photos.models import EmbeddingSpace, Photo
from photos.services import indexing
from photos.services.spaces import ensure_default_space
from search import jobs, weighing
from search.distinctiveness import LEAST
from search.models import SegmentWeight, Weighing
from search.weighing import requeue, weigh_photo, weigh_space
from tests.search.gallery import DIMENSIONS, add_photos, make_space, unit
from tests.search.pictures import picture_of
from tests.search.town import index_picture

pytestmark = pytest.mark.django_db

GATE = [1.0] + [0.0] * (DIMENSIONS - 1)
SKY = [0.0, 1.0] + [0.0] * (DIMENSIONS - 2)
CITIES = ((41.0, 29.0), (52.5, 13.4), (48.9, 2.3), (40.4, -3.7), (55.7, 13.2))


@pytest.fixture
def space():
    return make_space()


def add(space, count, *, place, first=GATE, **fields):
    """Photos at one place, each with a gate of that place and the same sky as everywhere."""
    latitude, longitude = place
    segments = [unit([first, SKY])] * count
    return add_photos(space, unit([GATE] * count), segments=segments, latitude=latitude, longitude=longitude, **fields)


def gate_of(number):
    """Something that only city `number` has."""
    return [0.0] * (2 + number) + [1.0] + [0.0] * (DIMENSIONS - 3 - number)


@pytest.fixture
def cities(space):
    return [add(space, 3, place=place, first=gate_of(number)) for number, place in enumerate(CITIES)]


def weights_of(photo):
    return dict(SegmentWeight.objects.filter(photo=photo).values_list("rank", "weight"))


def test_it_works(space, cities):
    assert weigh_space(space)
    for photo in cities[0]:
        found = weights_of(photo)
        assert found[0] > 0.9
        assert found[1] < 0.4
    weighing_row = Weighing.objects.get()
    assert (weighing_row.reached, weighing_row.finished_at is not None) == (None, True)


@pytest.mark.parametrize(
    "hidden",
    [{"visibility": "private"}, {"location_visibility": "hidden"}, {"location_visibility": "approximate"}],
    ids=["private", "hidden", "approximate"],
)
def test_what_not_everybody_may_know_has_no_say(space, cities, hidden):
    weigh_space(space)
    before = {photo.pk: weights_of(photo) for city in cities for photo in city}
    add(space, 5, place=CITIES[0], owner=User.objects.create_user("owner"), **hidden)
    weigh_space(space)
    assert {pk: weights_of(pk) for pk in before} == before


def test_a_photo_without_a_public_place_has_no_weights(space, cities):
    (unplaced,) = add_photos(space, unit([GATE]), segments=[unit([GATE])])
    (hidden,) = add(space, 1, place=CITIES[0], location_visibility="hidden")
    weigh_space(space)
    assert weights_of(unplaced) == weights_of(hidden) == {}


def test_a_burst_does_not_confirm_itself(space, cities):
    noon, owner = datetime(2020, 5, 1, 12, tzinfo=UTC), User.objects.create_user("owner")
    unseen = gate_of(9)
    burst = add(space, 4, place=(10.0, 10.0), first=unseen, owner=owner, taken_at=noon)
    weigh_space(space)
    assert weights_of(burst[0])[0] == pytest.approx(LEAST, abs=1e-6)
    Photo.objects.filter(pk=burst[1].pk).update(taken_at=noon + timedelta(hours=1))
    weigh_space(space)
    assert weights_of(burst[0])[0] > 0.9


def test_an_interrupted_round_goes_on(space, cities, monkeypatch):
    monkeypatch.setattr(weighing, "PORTION", 4)
    assert not weigh_space(space, limit_s=0)
    assert Weighing.objects.get().reached == cities[1][0].pk
    portions: list[int] = []
    assert weigh_space(space, progress=portions.append)
    assert portions == [4, 4, 3]
    assert SegmentWeight.objects.count() == 30


def test_a_round_is_due_a_day_after_the_last(space, cities):
    assert requeue() == 0
    EmbeddingSpace.objects.filter(pk=space.pk).update(created_at=timezone.now() - timedelta(hours=25))
    assert requeue() == 1
    assert requeue() == 0  # it waits already
    assert jobs.weigh_segments(space.pk)
    assert not weighing._is_due(space)
    Weighing.objects.update(began_at=timezone.now() - timedelta(hours=25))
    assert weighing._is_due(space)
    assert not jobs.weigh_segments(10**9)


def test_a_new_photo_is_weighed_when_it_is_ready(db):
    ensure_default_space()
    for seed in range(1, 5):
        index_picture(picture_of(seed, 0), latitude=41.0, longitude=10.0 * seed)
    photo = index_picture(picture_of(1, 9), latitude=41.0, longitude=10.0)
    indexing.request_index([photo.pk])
    assert photo_jobs.index_photo(photo.pk)
    assert set(weights_of(photo)) == set(range(9))


def test_new_vectors_take_the_place_of_old_weights(space, cities):
    weigh_space(space)
    photo = cities[0][0]
    SegmentWeight.objects.create(space=space, photo=photo, rank=7, weight=0.5)
    weigh_photo(photo.pk)
    assert set(weights_of(photo)) == {0, 1}


def test_the_command_weighs_every_space(space, cities, capsys):
    make_space("other", state="building")
    call_command("weigh_segments", verbosity=0)
    assert capsys.readouterr().out.splitlines() == [
        "Weighed the segments of made-up.",
        "Weighed the segments of other.",
    ]
    assert SegmentWeight.objects.filter(space=space).count() == 30
