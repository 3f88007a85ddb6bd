"""Places as place recognition counts them: by hand, on a line of longitude."""

from __future__ import annotations

import pytest

from search.evaluation import comparison
from search.evaluation.localisation import Sighting, Trial
from search.evaluation.retrieval_places import evaluate_places

METRE = 1 / 111_195


def trial(photo_id: int, distances_m: list[float], nearest_m: float | None, **more) -> Trial:
    found = [Sighting(n, 1 - n / 10, 10 + distance * METRE, 20.0) for n, distance in enumerate(distances_m)]
    return Trial(photo_id, 10.0, 20.0, sightings=tuple(found), nearest_m=nearest_m, **more)


def test_it_works():
    trials = [trial(1, [500, 20, 5], 5), trial(2, [80, 3000], 60), trial(3, [4000], 2000), trial(4, [], None)]
    report = evaluate_places(trials, radii_m=(25, 100), ks=(1, 2))
    assert report.means == {
        "R@1 within 25 m": 0.0,
        "R@2 within 25 m": 1.0,
        "R@1 within 100 m": 0.5,
        "R@2 within 100 m": 1.0,
    }
    assert report.pointless == ("3", "4")


def test_places_left_out_on_purpose_are_not_asked_about():
    assert evaluate_places([trial(1, [5], 5, is_absent=True)]).results == ()


def test_two_spaces_are_compared():
    first = evaluate_places([trial(n, [500, 20], 20) for n in range(20)])
    second = evaluate_places([trial(n, [20], 20) for n in range(20)])
    found = comparison.compare(first, second, measure="R@1 within 25 m", samples=200)
    assert (found.first, found.second, found.low) == (0.0, 1.0, 1.0)
    assert found.p_value == pytest.approx(2 / 201)
