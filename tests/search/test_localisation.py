"""What trials amount to, and what they teach."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.calibration import SHIPPED_PRIOR
from search.evaluation.fitting import (
    conformal_quantile,
    fit_independence,
    fit_prior,
    fit_same_place,
    fit_scatter_share,
    fit_threshold,
    needed_radius_m,
)
from search.evaluation.localisation import Sighting, Trial, conclude_trial, from_record, to_record
from search.evaluation.localisation_measures import (
    HISTOGRAM_EDGES_M,
    measure,
    measure_recall,
    trace_risk,
    wilson_interval,
)
from search.geodesy import destination
from tests.search.synthetic import make_collection, make_trials

HERE = (41.0, -40.0)
CONFIRMED = {"fundamental_inliers": 60, "homography_inliers": 30, "level": "confirmed"}


def sighting(east_m=0.0, *, photo_id=9, similarity=0.6, **more):
    latitude, longitude = (float(value) for value in destination(*HERE, 90.0, east_m))
    return Sighting(photo_id, similarity, latitude, longitude, **more)


def trial(*sightings, photo_id=1, **more):
    return Trial(photo_id, *HERE, sightings=sightings, nearest_m=more.pop("nearest_m", 10.0), **more)


def conclude(*sightings, **more):
    return conclude_trial(trial(*sightings, **more), SHIPPED_PRIOR)


# --- one trial ------------------------------------------------------------------------------------------


def test_a_confirmed_sighting_answers_with_its_error():
    outcome = conclude(sighting(120.0, **CONFIRMED))
    assert outcome.answer is not None
    assert outcome.error_m == pytest.approx(120, abs=0.01)
    assert outcome.is_held  # 150 m, as for one with overwhelming inliers


def test_outside_the_circle_is_not_held():
    assert not conclude(sighting(151.0, **CONFIRMED)).is_held


def test_an_unconfirmed_place_has_an_error_but_no_answer():
    outcome = conclude(sighting(40.0, fundamental_inliers=24, homography_inliers=14, level="possible"))
    assert outcome.answer is None
    assert outcome.error_m == pytest.approx(40, abs=0.01)
    assert not outcome.is_held


def test_a_trial_survives_its_record():
    kept = trial(sighting(5.0, **CONFIRMED), tags=("arch",), year=2020, is_absent=True, took_ms=3.5)
    assert from_record(to_record(kept)) == kept


# --- measures -------------------------------------------------------------------------------------------


def test_recall_counts_any_of_the_first_k_and_those_to_be_found():
    trials = [
        trial(sighting(500.0), sighting(20.0)),
        trial(sighting(20.0), photo_id=2),
        trial(sighting(50_000.0), photo_id=3, nearest_m=90.0),
        trial(photo_id=4, nearest_m=None),
    ]
    table = measure_recall(trials)
    assert table["25"] == {
        "findable": 2,
        "at_1": 0.25,
        "at_1_of_findable": 0.5,
        "at_5": 0.5,
        "at_5_of_findable": 1.0,
        "at_10": 0.5,
        "at_10_of_findable": 1.0,
    }
    assert table["1000"]["at_1"] == 0.5
    assert table["100"]["findable"] == 3


def test_measures_of_five_trials_worked_by_hand():
    trials = [
        trial(sighting(10.0, **CONFIRMED), photo_id=1, tags=("arch",), year=2020),
        trial(sighting(140.0, **CONFIRMED), photo_id=2, tags=("arch", "dome"), year=2021),
        trial(sighting(2_000.0, **CONFIRMED), photo_id=3),
        trial(photo_id=4, year=2020),
        trial(sighting(9_000.0, **CONFIRMED), photo_id=5, is_absent=True),
        trial(photo_id=6, is_absent=True),
    ]
    found = measure(trials, SHIPPED_PRIOR)
    assert found["n"] == 4
    assert found["answers"]["share"] == 0.75
    assert found["answers"]["median_error_m"] == pytest.approx(140, abs=0.1)
    assert found["answers"]["precision"] == {"25": 0.3333, "100": 0.3333, "1000": 0.6667, "25000": 1.0}
    assert found["coverage"]["observed"] == 0.6667
    assert found["coverage"]["by_level"]["strong"]["n"] == 3
    assert (found["refusals"]["n"], found["refusals"]["refused"]) == (2, 0.5)
    assert [(one["name"], one["n"]) for one in found["by_tag"]] == [("arch", 2), ("dome", 1)]
    assert {one["name"]: one["share"] for one in found["by_year"]} == {"2020": 0.5, "2021": 1.0}
    assert sum(row["answered"] for row in found["histogram"]) == 3
    assert found["histogram"][1]["answered"] == 1  # 10 m is in [10, 25)


def test_nothing_measured_is_none_not_nought():
    found = measure([], SHIPPED_PRIOR)
    assert found["answers"]["share"] is None
    assert found["coverage"]["interval"] is None
    assert found["risk_coverage"] == []


def test_the_baseline_asks_for_similarity_alone():
    alike = trial(sighting(3_000.0, similarity=0.8), sighting(5.0, similarity=0.7, **CONFIRMED))
    unlike = trial(sighting(5.0, similarity=0.75, **CONFIRMED), photo_id=2)
    found = measure([alike, unlike], SHIPPED_PRIOR)["baseline"]
    assert (found["answered"], found["precision"]["1000"]) == (1, 0.0)


def test_the_risk_curve_begins_with_the_surest():
    sure = [sighting(5.0, photo_id=number, **CONFIRMED) for number in (7, 8)]
    outcomes = [
        conclude(sighting(900.0, fundamental_inliers=26, homography_inliers=13, level="confirmed"), photo_id=1),
        conclude(*sure, photo_id=2),
        conclude(photo_id=3),
    ]
    first, second = trace_risk(outcomes)
    assert (first["share"], first["wrong"]["100"]) == (0.3333, 0.0)
    assert (second["share"], second["wrong"]["100"], second["wrong"]["1000"]) == (0.6667, 0.5, 0.0)


@pytest.mark.parametrize(("hits", "count", "expected"), [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775))])
def test_wilson_intervals(hits, count, expected):
    assert wilson_interval(hits, count) == pytest.approx(expected, abs=1e-4)


def test_the_histogram_leaves_no_error_out():
    assert HISTOGRAM_EDGES_M[0] == 0
    assert math.isinf(HISTOGRAM_EDGES_M[-1])


# --- fitting --------------------------------------------------------------------------------------------


def test_a_conformal_quantile_counts_the_next_one_too():
    # (9 + 1) * .9 = 9: the largest of nine; eight are too few for nine tenths
    assert conformal_quantile([float(number) for number in range(9)], 0.9) == 8
    assert conformal_quantile([1.0] * 8, 0.9) is None
    # ceil(20 * .9) = 18: the 18th of 19
    assert conformal_quantile([float(number) for number in range(1, 20)], 0.9) == 18


@given(st.lists(st.floats(0, 1e6), min_size=9, max_size=80))
def test_a_conformal_quantile_is_one_of_the_scores_with_enough_below(scores):
    found = conformal_quantile(scores, 0.9)
    assert found in scores
    assert sum(score <= found for score in scores) >= 0.9 * (len(scores) + 1) - 1e-9


def test_the_needed_radius_is_nought_where_scatter_holds_the_truth():
    far = [sighting(distance, photo_id=number, **CONFIRMED) for number, distance in enumerate((0.0, 80.0, 160.0))]
    outcome = conclude(*far)
    assert outcome.error_m < 85
    assert needed_radius_m(outcome) == 0
    assert needed_radius_m(conclude(sighting(70.0, blur_m=20.0, **CONFIRMED))) == pytest.approx(50, abs=0.1)


def test_more_inliers_never_count_against_the_same_place():
    backwards = [trial(sighting(5_000.0, fundamental_inliers=90), sighting(1.0, fundamental_inliers=2))] * 60
    _, by_fundamental, by_homography = fit_same_place(backwards, start=SHIPPED_PRIOR).same_place
    assert by_fundamental >= 0
    assert by_homography >= 0


def test_a_few_sightings_hardly_move_the_prior():
    fitted = fit_same_place([trial(sighting(1.0, **CONFIRMED))], start=SHIPPED_PRIOR).same_place
    assert fitted == pytest.approx(SHIPPED_PRIOR.same_place, abs=0.3)


def test_few_photos_teach_nothing():
    with pytest.raises(ValueError, match="50"):
        fit_prior([trial(photo_id=number) for number in range(49)])


def test_the_threshold_rises_where_answers_are_invented():
    def answers(probability_inliers, **more):
        levels = {"fundamental_inliers": probability_inliers, "homography_inliers": 15, "level": "confirmed"}
        return [conclude(sighting(5.0, **levels), photo_id=number, **more) for number in range(60)]

    assert fit_threshold(answers(40)) == 0.975  # all of them are answered there as well, believed at .98
    invented = answers(26, is_absent=True)  # believed at about .91
    assert fit_threshold([*answers(40), *invented]) > invented[0].probability


def test_a_fitted_share_of_the_scatter_holds_nine_of_ten():
    """Seven photos in a row 20 m apart err by 30, though 60 m of scatter would hold them always."""
    row = [sighting(20.0 * number, photo_id=number, **CONFIRMED) for number in range(-3, 4)]
    outcomes = [conclude(*row, photo_id=number) for number in range(40)]
    off = [replace(one, error_m=30.0 if number else 90.0) for number, one in enumerate(outcomes)]
    assert outcomes[0].placement.basis.scatter_m == pytest.approx(60, abs=0.1)
    assert fit_scatter_share(off) == pytest.approx(0.5, abs=0.01)
    assert fit_scatter_share([replace(one, error_m=200.0) for one in off]) == 1
    assert fit_scatter_share(off[:20]) == 1  # too few to tell


def test_photos_of_look_alikes_are_learned_to_err_together():
    """Where a place is gone, eight photos of the one that looks like it match, each half believed."""
    half = {"fundamental_inliers": 24, "homography_inliers": 12, "level": "confirmed"}
    sure = {"fundamental_inliers": 90, "homography_inliers": 60, "level": "confirmed"}
    gone = [sighting(600.0, photo_id=number, **half) for number in range(8)]
    here = [sighting(5.0, photo_id=number, **sure) for number in range(3)]
    there = [trial(*here, photo_id=number) for number in range(60)]
    alike = [trial(*gone, photo_id=number, is_absent=True) for number in range(60)]
    assert fit_independence([*there, *alike], SHIPPED_PRIOR) == 0
    assert fit_independence(there, SHIPPED_PRIOR) == 1


# --- known truth ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(5)
    known = make_collection(rng, places=26, views=6)
    return fit_prior([*make_trials(rng, known), *make_trials(rng, known, absent=True)]).prior


@pytest.fixture(scope="module")
def measured(fitted):
    rng = np.random.default_rng(77)
    others = make_collection(rng, places=40, views=5)
    return measure([*make_trials(rng, others), *make_trials(rng, others, absent=True)], fitted)


def test_a_fitted_circle_holds_the_truth_as_often_as_it_claims(measured):
    coverage = measured["coverage"]
    assert coverage["n"] > 100
    assert 0.85 <= coverage["observed"] <= 0.96
    assert coverage["median_radius_m"] < 120


def test_places_that_are_not_there_are_refused(measured):
    refusals = measured["refusals"]
    assert refusals["n"] == 200
    assert refusals["refused"] >= 0.98


def test_circles_for_another_spread_would_be_wrong(fitted):
    """The same figures can fail: photos taken from three times as far are not held so often."""
    rng = np.random.default_rng(78)
    wide = make_trials(rng, make_collection(rng, places=20, views=4, spread_m=100.0))
    assert measure(wide, fitted)["coverage"]["observed"] < 0.85
