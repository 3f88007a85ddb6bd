"""The statement that finds and scores, on the real database."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photos.filters import BoundingBox
from photos.models import EmbeddingSpace, Photo
from search import candidates
from search.candidates import OBJECT, SIMILAR, Likeness, Weights, explain, find_candidates
from search.models import SegmentWeight
from search.types import Filters
from tests.search.gallery import DIMENSIONS, add_photo, add_photos, make_query, make_space, random_units, unit

pytestmark = pytest.mark.django_db

EAST = [1.0] + [0.0] * (DIMENSIONS - 1)
NORTH = [0.0, 1.0] + [0.0] * (DIMENSIONS - 2)
BETWEEN = [1.0, 1.0] + [0.0] * (DIMENSIONS - 2)


@pytest.fixture
def space():
    return make_space()


def found(query, space, viewer=None, limit=10, **options):
    return [one.photo_id for one in find_candidates(query, space=space, viewer=viewer, limit=limit, **options)]


def analyze():
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def half(vectors):
    """What the database keeps: (..., D) as halfvec, unit norm before."""
    return np.asarray(vectors, np.float16).astype(np.float64)


def test_it_works(space):
    near, far = add_photo(space, EAST), add_photo(space, NORTH)
    first, second = find_candidates(make_query(EAST), space=space, viewer=None, limit=10)
    assert (first.photo_id, second.photo_id) == (near.pk, far.pk)
    assert [first.similarity, second.similarity] == pytest.approx([1, 0])
    assert first.segment_similarity is None
    assert first.segment_matches == ()


def test_an_empty_space_has_no_candidates(space):
    assert found(make_query(EAST, [NORTH]), space) == []


def test_a_limit_keeps_the_best_and_ties_go_to_the_lower_id(space):
    first, second, third = (add_photo(space, vector) for vector in (EAST, EAST, BETWEEN))
    assert found(make_query(EAST), space, limit=2) == [first.pk, second.pk]
    assert found(make_query(BETWEEN), space, limit=2) == [third.pk, first.pk]


def test_the_score_is_the_weighted_sum_of_whole_and_segments(space):
    (photo,) = add_photos(space, random_units(1), segments=[np.stack([np.array(EAST), np.array(NORTH)])])
    query = make_query(random_units(1)[0], [BETWEEN, NORTH])
    (one,) = find_candidates(query, space=space, viewer=None, limit=1, weights=Weights(0.3, 0.7))
    assert one.photo_id == photo.pk
    assert one.global_similarity == pytest.approx(1, abs=1e-3)
    assert one.segment_similarity == pytest.approx((np.sqrt(0.5) + 1) / 2, abs=1e-3)  # both ways alike
    assert one.similarity == pytest.approx(0.3 + 0.7 * (np.sqrt(0.5) + 1) / 2, abs=1e-3)
    assert [(match.query_rank, match.photo_rank) for match in one.segment_matches] == [(0, 0), (1, 1)]
    assert one.segment_matches[1].similarity == pytest.approx(1, abs=1e-3)
    assert one.segment_matches[1].query_box == (1, 0, 10, 10)


def test_a_photo_without_segments_is_one_as_a_whole(space):
    add_photo(space, EAST)
    (one,) = find_candidates(make_query(NORTH, [EAST]), space=space, viewer=None, limit=1)
    assert one.segment_matches[0].photo_rank is None
    assert one.segment_similarity == pytest.approx(1)


def test_shared_tags_raise_the_score(space):
    plain, tagged = add_photo(space, EAST), add_photo(space, EAST, tags=["tower", "bridge"])
    query = make_query(EAST, tags=("tower", "lake"))
    first, second = find_candidates(query, space=space, viewer=None, limit=2, weights=Weights(0.4, 0.6, 0.1))
    assert [first.photo_id, second.photo_id] == [tagged.pk, plain.pk]
    assert (first.tag_overlap, second.tag_overlap) == (0.5, 0)
    assert first.similarity == pytest.approx((0.4 + 0.1 * 0.5) / 0.5)


def test_spaces_do_not_mix(space):
    other = make_space("other", state="building")
    add_photo(other, EAST)
    assert found(make_query(EAST), space) == []


def test_visitors_find_public_photos_owners_their_own_and_curators_all(space):
    owner, stranger = User.objects.create_user("owner"), User.objects.create_user("stranger")
    curator = User.objects.create_user("curator", is_staff=True)
    public, private = add_photo(space, NORTH), add_photo(space, EAST, visibility="private", owner=owner)
    query = make_query(EAST, [EAST])
    assert found(query, space) == [public.pk]
    assert found(query, space, stranger) == [public.pk]
    assert found(query, space, owner) == [private.pk, public.pk]
    assert found(query, space, curator) == [private.pk, public.pk]


def test_filters_by_tags(space):
    both, one = add_photo(space, EAST, tags=["tower", "bridge"]), add_photo(space, EAST, tags=["tower"])
    add_photo(space, EAST)
    tags = ("tower", "bridge")
    assert found(make_query(EAST, filters=Filters(tags=tags)), space) == [both.pk]
    assert found(make_query(EAST, filters=Filters(tags=tags, tag_mode="any")), space) == [both.pk, one.pk]
    assert found(make_query(EAST, filters=Filters(tags=("nothing",), tag_mode="any")), space) == []


def test_filters_by_box_also_across_the_antimeridian(space):
    fiji, samoa = (add_photo(space, EAST, latitude=-17, longitude=at) for at in (179.5, -172))
    add_photo(space, EAST, latitude=-17, longitude=0)
    assert found(make_query(EAST, filters=Filters(bbox=BoundingBox(175, -20, -170, -10))), space) == [
        fiji.pk,
        samoa.pk,
    ]
    assert found(make_query(EAST, filters=Filters(bbox=BoundingBox(175, -20, 180, -10))), space) == [fiji.pk]


def test_a_hidden_place_is_in_no_box_and_has_no_location_for_others(space):
    owner = User.objects.create_user("owner")
    hidden = add_photo(space, EAST, latitude=41, longitude=29, location_visibility="hidden", owner=owner)
    box = make_query(EAST, filters=Filters(bbox=BoundingBox(28, 40, 30, 42)))
    located = make_query(EAST, filters=Filters(has_location=True))
    assert found(box, space) == found(located, space) == []
    assert found(box, space, owner) == found(located, space, owner) == [hidden.pk]
    assert found(make_query(EAST, filters=Filters(has_location=False)), space) == [hidden.pk]


def test_filters_by_date_owner_state_and_exclusion(space):
    owner = User.objects.create_user("owner")
    old = add_photo(space, EAST, taken_at=datetime(1990, 5, 1, tzinfo=UTC))
    new = add_photo(space, EAST, taken_at=datetime(2020, 5, 1, tzinfo=UTC), owner=owner)
    bare = add_photo(space, EAST, state="pending")
    cases = {
        Filters(taken_from=datetime(2000, 1, 1, tzinfo=UTC)): [new],
        Filters(taken_until=datetime(2000, 1, 1, tzinfo=UTC)): [old],
        Filters(owner_id=owner.pk): [new],
        Filters(states=("pending",)): [bare],
        Filters(exclude=(old.pk, bare.pk)): [new],
        Filters(): [old, new, bare],
    }
    for filters, expected in cases.items():
        assert found(make_query(EAST, filters=filters), space) == [photo.pk for photo in expected], filters


def brute_force(query, wholes, segments, weights, *, likeness=SIMILAR, stored_weights=None):
    """The (N,) scores by numpy, of the vectors as the database keeps them; `stored_weights` is (N, S)."""
    whole, asked = half(query.embedding), np.stack([half(one.embedding) for one in query.segments])
    wholes, segments = half(wholes), half(segments)
    as_part = np.maximum((segments @ whole).max(axis=1), (wholes @ asked.T).max(axis=1))
    pairs = np.einsum("nsd,qd->nqs", segments, asked)
    forward = pairs.max(axis=2)
    shares = np.full(forward.shape, 1.0)
    if stored_weights is not None:
        shares *= [distinctiveness(pairs[:, index], stored_weights) for index in range(len(asked))]
    if likeness.best_of is not None:
        shares *= np.argsort(np.argsort(-forward, axis=1), axis=1) < likeness.best_of
    parts = (shares * forward).sum(axis=1) / shares.sum(axis=1)
    if likeness.both_ways:
        parts = (parts + pairs.max(axis=1).mean(axis=1)) / 2
    return weights.whole * np.maximum(wholes @ whole, likeness.part_worth * as_part) + weights.segments * parts


def distinctiveness(similarities, stored_weights):
    """Of one query segment, from its (N, S) similarities: that of its ten nearest, by likeness."""
    nearest = np.argsort(-similarities.max(axis=1))[:10]
    ranks = similarities[nearest].argmax(axis=1)
    likeness = similarities[nearest, ranks]
    shares = np.exp((likeness - likeness.max()) / 0.1)
    return shares @ np.asarray(stored_weights)[nearest, ranks] / shares.sum()


@pytest.mark.parametrize("likeness", [SIMILAR, OBJECT], ids=["similar", "object"])
def test_the_exact_path_equals_brute_force(space, likeness):
    wholes, segments = random_units(120, 1), random_units(480, 2).reshape(120, 4, DIMENSIONS)
    photos = add_photos(space, wholes, segments=segments)
    stored_weights = weigh_all(space, photos, 4)
    asked = random_units(5, 3)
    query = make_query(asked[0], asked[1:])
    weights = Weights(0.3, 0.7)
    expected = brute_force(query, wholes, segments, weights, likeness=likeness, stored_weights=stored_weights)
    order = np.argsort(-expected, kind="stable")[:50]
    results = find_candidates(query, space=space, viewer=None, limit=50, weights=weights, likeness=likeness)
    assert [one.similarity for one in results] == pytest.approx(expected[order].tolist(), abs=1e-5)
    assert [one.photo_id for one in results] == [photos[index].pk for index in order]


def weigh_all(space, photos, count):
    """Give every segment a random weight; returns them, (N, count)."""
    weights = np.random.default_rng(9).uniform(0.1, 1, (len(photos), count)).astype(np.float32)
    SegmentWeight.objects.bulk_create(
        SegmentWeight(space=space, photo=photo, rank=rank, weight=weight)
        for photo, row in zip(photos, weights.tolist(), strict=True)
        for rank, weight in enumerate(row)
    )
    return weights


def test_a_crop_finds_its_picture_and_a_pasted_picture_its_own(space):
    other = [0.0, 0.0, 1.0] + [0.0] * (DIMENSIONS - 3)
    (holds_it,) = add_photos(space, unit([NORTH]), segments=[unit([EAST, other])])
    (far,) = add_photos(space, unit([BETWEEN]), segments=[unit([BETWEEN, other])])
    first, second = find_candidates(make_query(EAST), space=space, viewer=None, limit=2)
    assert (first.photo_id, second.photo_id) == (holds_it.pk, far.pk)
    assert (first.global_similarity, second.global_similarity) == pytest.approx((0.8, 0.7071), abs=1e-3)
    pasted = make_query(other, [NORTH])
    assert find_candidates(pasted, space=space, viewer=None, limit=1)[0].global_similarity == pytest.approx(0.8)


def test_a_distinctive_segment_weighs_more_and_the_match_says_so(space):
    sky, gate = unit(EAST), unit(NORTH)
    (same_sky, same_gate) = add_photos(space, unit([BETWEEN] * 2), segments=[unit([EAST]), unit([NORTH])])
    for photo, weight in ((same_sky, 0.1), (same_gate, 0.9)):
        SegmentWeight.objects.create(space=space, photo=photo, rank=0, weight=weight)
    query = make_query(BETWEEN, [sky, gate])
    first, second = find_candidates(query, space=space, viewer=None, limit=2)
    assert (first.photo_id, second.photo_id) == (same_gate.pk, same_sky.pk)
    assert [match.weight for match in first.segment_matches] == pytest.approx([0.1, 0.9], abs=1e-3)
    plain = find_candidates(query, space=space, viewer=None, limit=2, likeness=Likeness(by_distinctiveness=False))
    assert plain[0].similarity == pytest.approx(plain[1].similarity)


def views(places, seed):
    """Ten views (10 N, ..., D) of each of the places (N, ..., D)."""
    spread = np.random.default_rng(seed).normal(size=(10, *places.shape)) * 0.08
    return unit(np.repeat(places, 10, axis=0) + spread.swapaxes(0, 1).reshape(-1, *places.shape[1:]))


@pytest.fixture
def large_space(monkeypatch):
    """2,000 photos of 200 places with two segments each, every 40th of one owner, where 20 count as few."""
    space = make_space()
    wholes, segments = views(random_units(200, 4), 5), views(random_units(400, 6).reshape(200, 2, DIMENSIONS), 7)
    photos = add_photos(space, wholes, segments=segments, visibility="public")
    Photo.objects.filter(pk__in=[photo.pk for photo in photos[::40]]).update(owner=User.objects.create_user("few"))
    analyze()
    monkeypatch.setattr(candidates, "EXACT_PHOTOS", 20)
    return space, photos, wholes, segments


def test_large_spaces_are_searched_by_their_indexes(large_space):
    space, photos, wholes, segments = large_space
    query = make_query(wholes[70] + wholes[77], segments[70] + segments[77])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = explain(query, space=space, viewer=None, limit=10)
    assert f"photos_photoembedding_{space.pk}_hnsw" in plan
    assert f"photos_segmentembedding_{space.pk}_hnsw" in plan
    expected = brute_force(query, wholes, segments, Weights(0.4, 0.6))
    best = {photos[index].pk for index in np.argsort(-expected)[:10]}
    assert len(best & set(found(query, space))) >= 9


def test_few_of_many_are_found_exactly_before_any_index(large_space):
    space, photos, wholes, _ = large_space
    few = [index for index in range(len(photos)) if index % 40 == 0]
    owner = User.objects.get(username="few")
    query = make_query(random_units(1, 8)[0], filters=Filters(owner_id=owner.pk))
    similarities = half(wholes[few]) @ half(query.embedding)
    expected = [photos[few[place]].pk for place in np.argsort(-similarities)]
    assert found(query, space, limit=50, likeness=Likeness(part_worth=None)) == expected
    plan = explain(query, space=space, viewer=None, limit=50)
    by_index = [line for line in plan.splitlines() if f"photos_photoembedding_{space.pk}_hnsw" in line]
    assert all("never executed" in line for line in by_index)


vectors_of_photos = st.lists(
    st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=DIMENSIONS, max_size=DIMENSIONS).filter(any),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(vectors_of_photos, vectors_of_photos)
def test_private_photos_change_nothing_for_a_visitor(db, public, private):
    Photo.objects.all().delete()
    space = EmbeddingSpace.objects.filter(slug="made-up").first() or make_space()
    owner, _ = User.objects.get_or_create(username="owner")
    for vector in public:
        add_photo(space, vector)
    query = make_query(EAST, [NORTH, BETWEEN])
    before = find_candidates(query, space=space, viewer=None, limit=10)
    for vector in private:
        add_photo(space, vector, visibility="private", owner=owner)
    assert find_candidates(query, space=space, viewer=None, limit=10) == before
    assert len(found(query, space, owner)) == len(public) + len(private)
