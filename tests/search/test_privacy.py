"""A photo that you may not see changes nothing that you are told: in every mode, with every filter.

It holds to the last digit where all photos are compared, and where the approximate indexes are asked: the public
photos have graphs of their own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photos.areas import BoundingBox, Circle, Polygon
from photos.filters import PhotoFilters
from photos.models import EmbeddingSpace, Photo
from photos.services.graphs import move_vectors
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
from tests.search.gallery import DIMENSIONS, add_photo, add_photos, make_query, make_space, random_units, unit
from tests.search.test_candidates import analyze, brute_force

pytestmark = pytest.mark.django_db

WEIGHTS = Weights(0.4, 0.6)
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


@pytest.mark.parametrize("exact_photos", [500, 0], ids=["compared", "by-the-indexes"])
@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(photos, photos, st.integers(0, 10_000))
def test_private_photos_change_nothing_in_any_mode_with_any_filter(
    db, monkeypatch, exact_photos, public, private, seed
):
    monkeypatch.setattr(candidates, "EXACT_PHOTOS", exact_photos)
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


@pytest.fixture
def crowd(monkeypatch):
    """1,500 public photos where 20 count as few, and five questions."""
    monkeypatch.setattr(candidates, "EXACT_PHOTOS", 20)
    space = make_space()
    wholes, segments = random_units(1500, 11), random_units(3000, 12).reshape(1500, 2, DIMENSIONS)
    public = {photo.pk: index for index, photo in enumerate(add_photos(space, wholes, segments=segments))}
    analyze()
    queries = [make_query(one[0], one[1:]) for one in random_units(15, 13).reshape(5, 3, DIMENSIONS)]
    return space, public, (wholes, segments), queries


def add_like(space, query, count, **fields):
    """Photos as like the question as can be."""
    close = unit(np.stack([query.embedding] * count) + random_units(count, 14) * 0.05)
    parts = unit(np.stack([[one.embedding for one in query.segments]] * count) + 0.01)
    return add_photos(space, close, segments=parts, **fields)


def ask(query, space, viewer=None):
    return find_candidates(query, space=space, viewer=viewer, limit=10, weights=WEIGHTS)


def test_private_photos_change_nothing_that_the_indexes_find(crowd):
    space, public, stored, queries = crowd
    before = [ask(query, space) for query in queries]
    owner = User.objects.create_user("owner")
    for query in queries:
        add_like(space, query, 60, visibility="private", owner=owner)
    analyze()
    stranger = User.objects.create_user("stranger")
    for query, former in zip(queries, before, strict=True):
        assert ask(query, space) == ask(query, space, stranger) == former
        exact = brute_force(query, stored[0], stored[1], WEIGHTS)
        expected = [exact[public[one.photo_id]] for one in former]
        assert [one.similarity for one in former] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("count", [15, 60], ids=["compared", "by-the-indexes"])
def test_owners_and_curators_find_what_others_may_not_see(crowd, count):
    space, public, _stored, queries = crowd
    owner, curator = User.objects.create_user("owner"), User.objects.create_user("curator", is_staff=True)
    own = {photo.pk for photo in add_like(space, queries[0], count, visibility="private", owner=owner)}
    add_like(space, queries[1], 60, visibility="private", owner=curator)
    analyze()
    for viewer in (owner, curator):
        assert {one.photo_id for one in ask(queries[0], space, viewer)} <= own
    assert {one.photo_id for one in ask(queries[1], space, owner)} <= public.keys() | own
    assert {one.photo_id for one in ask(queries[1], space, curator)}.isdisjoint(public)


def test_a_withdrawn_photo_is_not_found_before_its_vectors_are_moved(crowd):
    space, _public, _stored, queries = crowd
    (best, *_) = ask(queries[0], space)
    Photo.objects.filter(pk=best.photo_id).update(visibility="private")
    assert best.photo_id not in {one.photo_id for one in ask(queries[0], space)}
    move_vectors(best.photo_id)
    assert best.photo_id not in {one.photo_id for one in ask(queries[0], space)}
    Photo.objects.filter(pk=best.photo_id).update(visibility="public")
    move_vectors(best.photo_id)
    assert ask(queries[0], space)[0] == best
