"""What scores weigh: as the database holds it, as staff set it, as searches use it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from search.candidates import DEFAULT_WEIGHTS, Weights, find_candidates, weights_for
from search.models import RankingWeights, SegmentWeight
from tests.search.gallery import add_photo, make_query, make_space

pytestmark = pytest.mark.django_db

EAST = [1.0] + [0.0] * 15


def test_weights_outside_their_range_are_refused():
    space = make_space()
    for whole, segments, tags in ((-0.1, 0.5, 0.1), (0.5, 1.1, 0.1), (0.0, 1.0, 0.1), (0.5, 0.5, float("nan"))):
        with pytest.raises(IntegrityError), transaction.atomic():
            RankingWeights.objects.create(space=space, whole=whole, segments=segments, tags=tags)
    assert RankingWeights.objects.create(space=space, whole=0.5, segments=0.0).tags == 0.1


def test_a_segments_weight_is_held_to_its_range_and_goes_with_its_photo():
    space = make_space()
    photo = add_photo(space, EAST)
    row = SegmentWeight(space=space, photo=photo, rank=0, weight=0.25)
    row.save(force_insert=True)
    for weight in (-0.1, 1.1, float("nan")):
        with pytest.raises(IntegrityError), transaction.atomic():
            SegmentWeight(space=space, photo=photo, rank=1, weight=weight).save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM photos_photoembedding WHERE photo_id = %s", [photo.pk])
        cursor.execute("DELETE FROM photos_photo WHERE id = %s", [photo.pk])
    assert not SegmentWeight.objects.exists()


def test_the_newest_weights_of_a_space_count():
    space, other = make_space(), make_space("other", state="building")
    assert weights_for(space) == DEFAULT_WEIGHTS
    RankingWeights.objects.create(space=space, whole=1.0, segments=0.0, tags=0.0)
    RankingWeights.objects.create(space=space, whole=0.2, segments=0.4, tags=0.3)
    assert weights_for(space) == Weights(0.2, 0.4, 0.3)
    assert weights_for(other) == DEFAULT_WEIGHTS
    add_photo(space, EAST, tags=["tower"])
    (one,) = find_candidates(make_query(EAST, tags=("tower", "lake")), space=space, viewer=None, limit=1)
    assert one.similarity == pytest.approx((0.2 + 0.3 * 0.5) / 0.5)


@pytest.fixture
def staff(client):
    user = User.objects.create_superuser("curator")
    client.force_login(user)
    return user


def test_staff_set_weights_and_see_their_history(client, staff):
    space = make_space()
    address = "/admin/search/rankingweights/"
    assert 'value="0.4"' in client.get(f"{address}add/").content.decode()
    for whole in ("0.5", "0.7"):
        client.post(f"{address}add/", {"space": space.pk, "whole": whole, "segments": "0.5", "tags": "0.1"})
    newest, former = RankingWeights.objects.all()
    assert (newest.whole, newest.set_by, former.whole) == (0.7, staff, 0.5)
    assert weights_for(space) == Weights(0.7, 0.5, 0.1)
    page = client.get(address).content.decode()
    assert page.count("icon-yes") == page.count("icon-no") == 1
    assert client.post(f"{address}{former.pk}/change/", {"whole": "0.1"}).status_code == 403
    assert client.post(f"{address}{former.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("wrong", [{"whole": "1.5"}, {"whole": "0"}, {"segments": "-0.1"}, {"tags": "nan"}])
def test_weights_that_make_no_sense_are_refused_with_words(client, staff, wrong):
    values = {"space": make_space().pk, "whole": "0.5", "segments": "0.5", "tags": "0.1", **wrong}
    response = client.post("/admin/search/rankingweights/add/", values)
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert not RankingWeights.objects.exists()
