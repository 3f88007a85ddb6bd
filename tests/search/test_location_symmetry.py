"""The Earth has no special places: what is found about one middle is found about every other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.calibration import SHIPPED_PRIOR
from search.geodesy import destination, geometric_median, haversine_m, wrap_longitude
from search.location import Placement, Vote, estimate_location

MIDDLES = [(41.0, -40.0), (0.0, 0.0), (-17.0, 180.0), (-17.0, -180.0), (90.0, 0.0), (-90.0, 123.0), (89.9999, 12.0)]

offsets = st.lists(
    st.tuples(
        st.floats(0, 360, exclude_max=True),
        st.sampled_from([0.0, 3.0, 60.0, 380.0, 2_000.0, 9_000.0, 60_000.0]),
        st.sampled_from([0.3, 0.7, 0.97]),
        st.booleans(),
        st.sampled_from([None, "burst"]),
    ),
    min_size=1,
    max_size=7,
)


def vote_at(point, p_same, *, confirmed=True):
    return Vote(point[0], point[1], p_same, confirmed)


def go(middle, bearing, distance_m):
    latitude, longitude = destination(middle[0], middle[1], bearing, distance_m)
    return float(latitude), float(longitude)


def apart_m(one, other):
    return float(haversine_m(one[0], one[1], other[0], other[1]))


def votes_about(middle, found):
    """Yield the votes, each a little less probable than the one before: between equals, any choice would be right."""
    for index, (bearing, distance_m, p_same, confirmed, observation) in enumerate(found):
        latitude, longitude = destination(middle[0], middle[1], bearing, distance_m)
        yield Vote(float(latitude), float(longitude), p_same - 0.017 * index, confirmed, observation=observation)


def test_of_two_as_likely_the_confirmed_one_gives_the_point():
    for sign in (1, -1):
        here, there = (41.0, -40.0), (41.0, -40.0 + sign * 0.02)
        votes = [vote_at(here, 0.7), vote_at(there, 0.7, confirmed=False)]
        best = estimate_location(votes, prior=SHIPPED_PRIOR).best
        assert best is not None
        assert (best.latitude, best.longitude) == here


def locate(middle, found) -> Placement:
    return estimate_location(list(votes_about(middle, found)), prior=SHIPPED_PRIOR)


def near_a_scale(found):
    """Whether a distance lies so near to a scale that rounding may put it on either side."""
    points = [destination(0.0, 0.0, bearing, distance) for bearing, distance, *_ in found]
    gaps = [float(haversine_m(*one, *other)) for one in points for other in points]
    return any(abs(gap - scale) < 0.5 for gap in gaps for scale in (100.0, 400.0, 1_600.0, 6_400.0, 25_000.0))


@pytest.mark.parametrize("middle", MIDDLES[1:], ids=str)
@given(found=offsets)
def test_the_same_votes_find_the_same_about_every_middle(middle, found):
    if near_a_scale(found):
        return
    here, there = locate(MIDDLES[0], found), locate(middle, found)
    assert (there.estimate is None) == (here.estimate is None)
    assert (there.best is None) == (here.best is None)
    if here.best is not None and there.best is not None:
        assert there.best.probability == pytest.approx(here.best.probability, abs=1e-6)
        assert there.best.support == here.best.support
        if not tied(here):
            assert there.best.radius_m == pytest.approx(here.best.radius_m, rel=0.01, abs=1.0)


def tied(placement):
    """Whether another place is as likely: which of the two is told first depends on where they lie."""
    others = [one for one in placement.alternatives if one is not placement.best]
    return any(math.isclose(one.probability, placement.best.probability, abs_tol=1e-6) for one in others)


@given(offsets, st.sampled_from([60.0, 140.0, 220.0]))
def test_turning_the_globe_turns_the_answer(found, turn):
    here = locate((41.0, -40.0), found)
    turned = [
        Vote(one.latitude, float(wrap_longitude(one.longitude + turn)), one.p_same, one.confirmed, 0.0, one.observation)
        for one in votes_about((41.0, -40.0), found)
    ]
    there = estimate_location(turned, prior=SHIPPED_PRIOR)
    assert (there.best is None) == (here.best is None)
    if here.best is not None and there.best is not None and not tied(here):
        expected = float(wrap_longitude(here.best.longitude + turn))
        assert haversine_m(there.best.latitude, there.best.longitude, here.best.latitude, expected) < 1.0


@pytest.mark.parametrize("middle", MIDDLES, ids=str)
def test_a_ring_has_its_middle_for_median_wherever_it_lies(middle):
    points = [go(middle, bearing, 500.0) for bearing in range(0, 360, 45)]
    found = geometric_median([one[0] for one in points], [one[1] for one in points])
    assert apart_m(found, middle) < 0.05


@pytest.mark.parametrize("middle", MIDDLES, ids=str)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_all_votes_in_one_point_answer_that_point(middle, count):
    votes = [vote_at(middle, 0.97) for _ in range(count)]
    found = estimate_location(votes, prior=SHIPPED_PRIOR).estimate
    assert found is not None
    assert apart_m((found.latitude, found.longitude), middle) < 0.05
    assert found.support == count
    assert found.radius_m == SHIPPED_PRIOR.radius_m("single" if count == 1 else "several")


@pytest.mark.parametrize("middle", MIDDLES, ids=str)
def test_equal_places_on_both_sides_of_a_middle_are_a_tie(middle):
    votes = [vote_at(go(middle, bearing, 40_000.0), 0.97) for bearing in (10, 190)]
    placement = estimate_location(votes, prior=SHIPPED_PRIOR)
    assert placement.estimate is None
    assert [one.probability for one in placement.alternatives] == pytest.approx([32.333 / 65.667] * 2, abs=1e-3)
