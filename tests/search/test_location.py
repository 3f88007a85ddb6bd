"""From votes to a place with a radius, or to none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.calibration import SHIPPED_PRIOR, SHIPPED_RADII_M, PlacePrior, apply_calibration
from search.geodesy import destination, haversine_m
from search.location import Vote, estimate_location


def vote(latitude=41.0, longitude=-39.9, p_same=0.99, *, confirmed=None, blur_m=0.0, observation=None):
    confirmed = p_same > 0.7 if confirmed is None else confirmed
    return Vote(latitude, longitude, p_same, confirmed, blur_m, observation)


def around(latitude, longitude, count, distance_m, **options):
    for index in range(count):
        reached = destination(latitude, longitude, 360 / count * index, distance_m)
        yield vote(float(reached[0]), float(reached[1]), **options)


def locate(*votes, prior=SHIPPED_PRIOR):
    return estimate_location(votes, prior=prior)


def test_no_votes_no_place():
    assert locate() == locate()
    assert locate().estimate is None
    assert locate().alternatives == ()


def test_one_confirmed_match_is_its_place():
    found = locate(vote(41.0, -39.9, 0.9)).estimate
    assert (found.latitude, found.longitude) == (41.0, -39.9)
    assert found.radius_m == SHIPPED_RADII_M["single"]
    assert found.support == 1
    # odds .9/.1 = 9 against 1 for "none of these"
    assert found.probability == pytest.approx(0.9)


def test_one_match_is_never_believed_more_than_confirmed_matches_were_right():
    assert locate(vote(p_same=1.0)).estimate.probability == pytest.approx(0.98)


def test_unconfirmed_matches_are_only_alternatives():
    found = locate(*around(41, -39.9, 5, 10, p_same=0.6, confirmed=False))
    assert found.estimate is None
    assert len(found.alternatives) == 1
    assert found.alternatives[0].probability == pytest.approx(1 - 0.4**5)


def test_a_confirmed_match_below_the_threshold_is_no_answer():
    assert locate(vote(p_same=0.4, confirmed=True)).estimate is None


def test_agreeing_matches_strengthen_the_place_and_narrow_it():
    one, many = locate(vote(p_same=0.9)).estimate, locate(*around(41, -39.9, 3, 20, p_same=0.9)).estimate
    assert many.probability == pytest.approx(1 - 0.1**3)
    assert many.probability > one.probability
    assert many.radius_m < one.radius_m
    assert many.support == 3


def test_two_equal_places_share_the_probability():
    found = locate(vote(41, -39.9, 0.9), vote(52, 13, 0.9), prior=PlacePrior(threshold=0.4))
    # odds 9 and 9 against 1
    assert found.estimate.probability == pytest.approx(9 / 19)
    assert found.alternatives[0].probability == pytest.approx(9 / 19)
    assert found.estimate.alternatives == found.alternatives


def test_it_abstains_between_two_equal_places():
    found = locate(vote(41, -39.9, 0.9), vote(52, 13, 0.9))
    assert found.estimate is None
    assert [round(one.latitude) for one in found.alternatives] == [41, 52]


def test_a_burst_is_one_observation():
    burst = [vote(41, -39.9, 0.9, observation="burst") for _ in range(8)]
    found, single = locate(*burst).estimate, locate(vote(41, -39.9, 0.9)).estimate
    assert found.support == 1
    assert found.probability == pytest.approx(single.probability)
    assert found.radius_m == single.radius_m


def test_doubtful_matches_beside_a_confirmed_one_are_no_support():
    found = locate(vote(p_same=0.9), vote(p_same=0.01), vote(p_same=0.2)).estimate
    assert found.support == 1
    assert found.radius_m == SHIPPED_RADII_M["single"]


def test_a_burst_beside_a_doubtful_match_is_not_several():
    burst = [vote(p_same=0.9, observation="burst") for _ in range(2)]
    assert locate(*burst, vote(p_same=0.3)).estimate.radius_m == SHIPPED_RADII_M["single"]


def test_a_burst_does_not_outvote_two_independent_photos():
    burst = [vote(41, -39.9, 0.9, observation="burst") for _ in range(8)]
    found = locate(*burst, vote(52, 13, 0.9), vote(52.0001, 13, 0.9)).estimate
    assert round(found.latitude) == 52


def test_the_finest_scale_that_keeps_the_evidence_gives_the_point():
    near = list(around(41, -39.9, 6, 30))
    found = locate(*near, vote(*map(float, destination(41, -39.9, 90, 8000)))).estimate
    assert haversine_m(found.latitude, found.longitude, 41, -39.9) < 30
    assert found.support == 6


def test_scattered_evidence_has_a_wide_radius():
    found = locate(*around(41, -39.9, 5, 9000)).estimate
    assert found.support == 5
    assert 9000 <= found.radius_m < 20_000


def test_blurred_points_widen_the_radius():
    sharp, blurred = locate(vote()).estimate, locate(vote(blur_m=787)).estimate
    assert blurred.radius_m == pytest.approx(sharp.radius_m + 787)


def test_places_meet_across_the_antimeridian():
    found = locate(vote(-17, 179.9999), vote(-17, -179.9999)).estimate
    assert found.support == 2
    assert abs(found.longitude) > 179.9998


def test_places_meet_at_a_pole():
    found = locate(*(vote(89.9999, longitude) for longitude in (0, 90, 180, -90))).estimate
    assert found.support == 4
    assert found.latitude > 89.999


def test_all_votes_in_one_point():
    found = locate(*[vote(0, 0)] * 4).estimate
    assert (found.latitude, found.longitude, found.support) == (0, 0, 4)


def test_photos_that_err_together_make_a_place_hardly_surer():
    votes = list(around(41, -39.9, 3, 20, p_same=0.9))
    # the doubts .1, .1 and .1: all of them; the strongest and the root of the others; the strongest alone
    for independence, doubt in ((1.0, 0.001), (0.5, 0.01), (0.0, 0.1)):
        found = locate(*votes, prior=PlacePrior(independence=independence)).best
        assert found.probability == pytest.approx(1 - doubt)


def test_a_look_alike_beside_the_place_does_not_widen_the_circle():
    """One vote in nine is more than a tenth of the weight, but has hardly a chance against the eight."""
    found = locate(*around(41, -39.9, 8, 20), vote(*map(float, destination(41, -39.9, 90, 8000)))).estimate
    assert found.radius_m == SHIPPED_RADII_M["several"]


def test_a_share_of_the_scatter_makes_the_circle():
    votes = list(around(41, -39.9, 6, 300))
    assert locate(*votes).estimate.radius_m == pytest.approx(300, abs=1)
    assert locate(*votes, prior=PlacePrior(scatter_share=0.5)).estimate.radius_m == pytest.approx(150, abs=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"latitude": math.nan},
        {"longitude": math.inf},
        {"latitude": 90.5},
        {"p_same": math.nan},
        {"p_same": 1.1},
        {"blur_m": -1},
        {"blur_m": math.nan},
    ],
)
def test_votes_refuse_nonsense(wrong):
    with pytest.raises(ValueError):
        vote(**{"confirmed": True, **wrong})


votes = st.lists(
    st.builds(
        Vote,
        latitude=st.sampled_from([0.0, 0.0005, 41.0, 89.9999, 90.0, -90.0]),
        longitude=st.sampled_from([0.0, 0.0005, 180.0, -180.0, 179.9999, -39.9]),
        p_same=st.sampled_from([0.0, 0.03, 0.5, 0.9, 1.0]),
        confirmed=st.booleans(),
        blur_m=st.sampled_from([0.0, 787.0]),
        observation=st.sampled_from([None, "a", "b"]),
    ),
    max_size=8,
)


@given(votes, st.randoms(use_true_random=False))
def test_the_order_of_votes_changes_nothing(found, random):
    assert locate(*found) == locate(*random.sample(found, len(found)))


@given(votes)
def test_every_answer_is_sound(found):
    placement = locate(*found)
    probabilities = [one.probability for one in placement.alternatives]
    if placement.estimate is not None:
        assert any(one.confirmed for one in found)
        probabilities.insert(0, placement.estimate.probability)
        assert -90 <= placement.estimate.latitude <= 90
        assert -180 <= placement.estimate.longitude <= 180
        assert 0 < placement.estimate.radius_m <= 20_037_510
        assert 1 <= placement.estimate.support <= len(found)
    assert sum(probabilities) <= 1 + 1e-9
    assert probabilities == sorted(probabilities, reverse=True)


def test_the_shipped_prior_follows_its_formula():
    # F = 25, H = 15: -23.31 + 6.46 ln 26 + 1.60 ln 16 = 2.174
    assert SHIPPED_PRIOR.p_same(25, 15) == pytest.approx(0.8979, abs=1e-3)
    assert SHIPPED_PRIOR.p_same(0, 0) < 1e-9
    assert SHIPPED_PRIOR.p_same(10**6, 10**6) == pytest.approx(1)


def test_a_calibration_replaces_what_it_fitted():
    parameters = {"intercept": -10, "fundamental": 3, "homography": 0, "threshold": 0.7}
    prior = apply_calibration(SHIPPED_PRIOR, "same-place", parameters, n=80)
    assert (prior.same_place, prior.threshold, prior.fitted_on) == ((-10, 3, 0), 0.7, 80)
    assert prior.radii_m == SHIPPED_RADII_M
    assert (prior.independence, prior.scatter_share) == (1, 1)
    assert apply_calibration(prior, "same-place", {**parameters, "independence": 0.25}, n=80).independence == 0.25
    assert apply_calibration(prior, "radius", {"radii_m": {}, "scatter_share": 0.8}, n=80).scatter_share == 0.8
    prior = apply_calibration(prior, "radius", {"radii_m": {"several": 42.0}}, n=80)
    assert prior.radius_m("several") == 42
    assert prior.radius_m("single") == SHIPPED_RADII_M["single"]


@pytest.mark.parametrize("parameters", [{}, {"intercept": "x"}, {"intercept": math.nan}, []])
def test_a_broken_calibration_is_refused(parameters):
    with pytest.raises(ValueError):
        apply_calibration(SHIPPED_PRIOR, "same-place", parameters, n=80)


def test_possible_matches_elsewhere_do_not_widen_a_confirmed_place():
    """Chance matches occur on every street; six confirmed photos of one square outweigh eight of them."""
    square = [Vote(41.0 + n / 1e5, -40.0, 0.999, confirmed=True) for n in range(6)]
    chance = [Vote(41.01, -40.0 + n / 1e4, 0.3, confirmed=False) for n in range(8)]
    answer = estimate_location([*square, *chance], prior=SHIPPED_PRIOR).estimate
    assert answer is not None
    assert answer.radius_m < 150
