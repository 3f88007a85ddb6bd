"""A photo that you may not see changes nothing that you are told: in every mode, with every filter.

Where all photos are compared that holds to the last digit. Where the approximate indexes are asked, their graphs run
through private photos as well: there what is found is visible and scored exactly, nothing goes missing in number, and
hardly any of the best ten.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photos.areas import BoundingBox, Circle, Polygon
from photos.filters import PhotoFilters
from photos.models import EmbeddingSpace, Photo
from photos.vision.types import Verification
from search import candidates
from search.answers import conclude
from search.asking import list_matches
from search.calibration import SHIPPED_PRIOR
from search.candidates import OBJECT, SIMILAR, Weights, find_candidates
from search.models import SegmentWeight
from search.presentation import present_result
from search.question import Question
from search.ranking import fuse_with_words, merge_verifications
from search.types import Candidate, Filters
from search.weighing import weigh_space
from tests.search.gallery import DIMENSIONS, add_photo, add_photos, make_query, make_space, random_units
from tests.search.test_candidates import brute_force

pytestmark = pytest.mark.django_db

DAY = datetime(2020, 5, 1, tzinfo=UTC)
FILTERS = (
    PhotoFilters(),
    PhotoFilters(box=BoundingBox(-10, -10, 40, 60)),
    PhotoFilters(polygon=Polygon(((170.0, -30.0), (-170.0, -30.0), (-170.0, 30.0), (170.0, 30.0)))),
    PhotoFilters(circle=Circle(41, 29, 500_000)),
    PhotoFilters(tags=("gate",)),
    PhotoFilters(tags=("gate", "tower"), any_tag=True),
    PhotoFilters(taken_from=DAY, taken_until=DAY + timedelta(days=2)),
    PhotoFilters(has_location=True),
    PhotoFilters(state="ready", text="gate"),
    PhotoFilters(visibility="private"),
)
PLACES = ((41.0, 29.0), (0.0, 179.5), (52.5, 13.4), None)

photos = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.integers(0, 3),
        st.sampled_from(PLACES),
        st.sampled_from([(), ("gate",), ("tower",), ("gate", "tower")]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


def save(space, drawn, **fields):
    for seed, count, place, tags, days in drawn:
        vectors = random_units(count + 1, seed)
        latitude, longitude = place or (None, None)
        photo = add_photo(
            space, vectors[0], segments=[vectors[1:]] if count else (), tags=tags, title=" ".join(tags),
            latitude=latitude, longitude=longitude, taken_at=DAY + timedelta(days=days), **fields,
        )  # fmt: skip
        assert photo.pk


def everything_told(space, query, viewer=None, *, with_filters=FILTERS):
    """All that `viewer` is told, in every mode and with every filter, as JSON."""
    told: list[Any] = []
    for filters in with_filters:
        narrowed = make_query(query[0], query[1:], tags=("gate",), filters=Filters(collection=filters))
        for likeness in (SIMILAR, OBJECT)[: 2 if filters is FILTERS[0] else 1]:
            found = find_candidates(narrowed, space=space, viewer=viewer, limit=20, likeness=likeness)
            sure = {one.photo_id: Verification(90, 60, 0.99, "confirmed") for one in found[:2]}
            matches = merge_verifications(found, sure)
            result = conclude(matches, space=space, viewer=viewer, prior=SHIPPED_PRIOR, limit=10)
            told.append(present_result(result, viewer=viewer))
        question = Question(tags=("gate", "tower"), tags_any=True, filters=filters)
        everything = Filters(collection=question.all_filters())
        told.append(list_matches(question, everything, viewer=viewer, limit=10))
    return told


@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(photos, photos, st.integers(0, 10_000))
def test_private_photos_change_nothing_in_any_mode_with_any_filter(db, public, private, seed):
    Photo.objects.all().delete()
    space = EmbeddingSpace.objects.filter(slug="made-up").first() or make_space()
    owner, _ = User.objects.get_or_create(username="owner")
    save(space, public)
    weigh_space(space)
    weights = set(SegmentWeight.objects.values_list("photo_id", "rank", "weight"))
    query = random_units(3, seed)
    before = everything_told(space, query)
    save(space, [*private, (seed, 2, PLACES[0], ("gate",), 0)], visibility="private", owner=owner)
    weigh_space(space)
    assert everything_told(space, query) == before
    assert weights <= set(SegmentWeight.objects.values_list("photo_id", "rank", "weight"))
    assert everything_told(space, query, viewer=owner, with_filters=FILTERS[:1]) != before[:3]


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_the_order_of_candidates_does_not_matter(first, second):
    found = [Candidate(pk, 0.1 * (pk // 2), 0.5) for pk in range(6)]
    sure = {pk: Verification(30, 20, 0.9, "confirmed") for pk in (1, 4)}
    expected = merge_verifications(found, sure)
    assert merge_verifications([found[pk] for pk in first], sure) == expected
    fused = fuse_with_words([found[pk] for pk in first], [found[pk] for pk in second[:3]], share=0.5)
    assert fused == fuse_with_words(found, [found[pk] for pk in sorted(second[:3])], share=0.5)


def test_with_the_approximate_indexes_nothing_private_is_told_and_hardly_anything_lost(monkeypatch):
    monkeypatch.setattr(candidates, "EXACT_PHOTOS", 20)
    space, weights = make_space(), Weights(0.4, 0.6)
    wholes, segments = random_units(1500, 11), random_units(3000, 12).reshape(1500, 2, DIMENSIONS)
    public = {photo.pk: index for index, photo in enumerate(add_photos(space, wholes, segments=segments))}
    queries = [make_query(one[0], one[1:]) for one in random_units(15, 13).reshape(5, 3, DIMENSIONS)]
    before = [find_candidates(query, space=space, viewer=None, limit=10, weights=weights) for query in queries]
    owner = User.objects.create_user("owner")
    for query in queries:  # as like the question as can be
        close = np.stack([query.embedding] * 60) + random_units(60, 14) * 0.05
        parts = np.stack([[one.embedding for one in query.segments]] * 60) + 0.01
        add_photos(space, close, segments=parts, visibility="private", owner=owner)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for query, former in zip(queries, before, strict=True):
        found = find_candidates(query, space=space, viewer=None, limit=10, weights=weights)
        exact = brute_force(query, wholes, segments, weights)
        assert {one.photo_id for one in found} <= public.keys()
        assert len(found) == len(former) == 10
        assert [one.similarity for one in found] == pytest.approx(
            [exact[public[one.photo_id]] for one in found], abs=1e-5
        )
        kept = {one.photo_id for one in found} & {one.photo_id for one in former}
        assert len(kept) >= 9
        own = find_candidates(query, space=space, viewer=owner, limit=10, weights=weights)
        assert {one.photo_id for one in own}.isdisjoint(public)
