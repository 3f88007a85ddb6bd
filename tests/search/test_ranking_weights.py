"""The tables of weights, as the database holds them."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from search.models import RankingWeights, SegmentWeight
from tests.search.gallery import add_photo, make_space

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
