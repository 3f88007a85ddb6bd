"""Distances, directions and middles on the sphere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.geodesy import (
    EARTH_RADIUS_M,
    HALF_CIRCUMFERENCE_M,
    bearing_deg,
    destination,
    geometric_median,
    haversine_m,
    spherical_mean,
    wrap_longitude,
)

DEGREE_M = EARTH_RADIUS_M * math.pi / 180

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
points = st.tuples(latitudes, longitudes)


def test_a_degree_of_latitude_is_a_degree_of_the_circle():
    assert haversine_m(0, 0, 1, 0) == pytest.approx(DEGREE_M)
    assert haversine_m(60, 10, 60, 12) == pytest.approx(111_176, rel=1e-3)


def test_distances_cross_the_antimeridian_the_short_way():
    assert haversine_m(0, 179.5, 0, -179.5) == pytest.approx(DEGREE_M)


def test_all_longitudes_meet_at_a_pole():
    assert haversine_m(90, 0, 90, 137) == pytest.approx(0, abs=1e-6)
    assert haversine_m(90, 0, -90, 50) == pytest.approx(HALF_CIRCUMFERENCE_M)


def test_distances_broadcast():
    found = haversine_m(np.array([[0.0], [1.0]]), 0.0, np.array([[0.0, 1.0]]), 0.0)
    assert found == pytest.approx(np.array([[0, DEGREE_M], [DEGREE_M, 0]]))


@given(points, points)
def test_distance_is_symmetric_and_bounded(first, second):
    there, back = haversine_m(*first, *second), haversine_m(*second, *first)
    assert there == pytest.approx(back, abs=1e-6)
    assert 0 <= there <= HALF_CIRCUMFERENCE_M * (1 + 1e-12)


@pytest.mark.parametrize(
    ("point", "expected"), [((1, 0), 0), ((0, 1), 90), ((-1, 0), 180), ((0, -1), 270), ((0, 0), 0)]
)
def test_bearings_turn_clockwise_from_north(point, expected):
    assert bearing_deg(0, 0, *point) == pytest.approx(expected)


@given(points, points)
def test_bearings_stay_below_360(first, second):
    assert 0 <= bearing_deg(*first, *second) < 360


@given(st.floats(-89, 89), longitudes, st.floats(0, 359.9), st.floats(1, 1e6))
def test_destination_lies_at_the_distance(latitude, longitude, bearing, distance):
    reached = destination(latitude, longitude, bearing, distance)
    assert haversine_m(latitude, longitude, *reached) == pytest.approx(distance, rel=1e-6, abs=1e-3)
    assert -180 <= reached[1] < 180


def test_longitudes_wrap():
    assert wrap_longitude([180, 190, -190, 540, -180, 0.1]).tolist() == [-180, -170, 170, -180, -180, 0.1]


def test_mean_crosses_the_antimeridian():
    assert spherical_mean([10, 10], [179, -179])[1] == pytest.approx(-180)


def test_mean_around_a_pole_is_the_pole():
    assert spherical_mean([89, 89, 89, 89], [0, 90, 180, -90])[0] == pytest.approx(90)


def test_mean_of_antipodes_is_refused():
    with pytest.raises(ValueError, match="cancel out"):
        spherical_mean([0, 0], [0, 180])


@pytest.mark.parametrize("middle", [spherical_mean, geometric_median])
@pytest.mark.parametrize(
    ("latitudes", "longitudes", "weights"),
    [
        ([math.nan], [0], None),
        ([0], [math.inf], None),
        ([91], [0], None),
        ([0], [181], None),
        ([], [], None),
        ([0, 1], [0], None),
        ([0, 1], [0, 1], [1, math.nan]),
        ([0, 1], [0, 1], [1, -1]),
        ([0, 1], [0, 1], [0, 0]),
        ([0, 1], [0, 1], [1]),
    ],
)
def test_middles_refuse_nonsense(middle, latitudes, longitudes, weights):
    with pytest.raises(ValueError):
        middle(latitudes, longitudes, weights)


def test_median_of_one_point_is_the_point():
    assert geometric_median([41.5], [-39.25]) == (41.5, -39.25)


def test_median_of_equal_points_is_the_point():
    assert geometric_median([41.5] * 4, [-39.25] * 4) == (41.5, -39.25)


def test_median_of_a_triangle_is_its_fermat_point():
    # a small equilateral triangle: all sides are seen from the middle under 120 degrees
    corners = [destination(0, 0, bearing, 1000) for bearing in (0, 120, 240)]
    median = geometric_median([float(p[0]) for p in corners], [float(p[1]) for p in corners])
    assert haversine_m(0, 0, *median) < 0.1


def test_median_ignores_how_far_the_outlier_is():
    latitudes = [0.0, 0.0001, -0.0001, 0.0]
    near = geometric_median([*latitudes, 0.01], [0.0, 0.0, 0.0, 0.0001, 0.0])
    far = geometric_median([*latitudes, 5.0], [0.0, 0.0, 0.0, 0.0001, 0.0])
    assert haversine_m(*near, *far) < 1


def test_a_point_with_most_of_the_weight_is_the_median():
    assert geometric_median([0, 1, 2], [0, 5, 1], [10, 1, 1]) == (0.0, 0.0)


def test_median_crosses_the_antimeridian():
    latitude, longitude = geometric_median([1, 0, -1], [180, -179.9, -180])
    assert latitude == pytest.approx(0, abs=1e-4)
    assert abs(longitude) > 179.8


def test_median_around_a_pole():
    latitude, _ = geometric_median([89.9, 89.9, 89.9], [0, 120, -120])
    assert latitude == pytest.approx(90, abs=1e-4)


@given(st.lists(points, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_median_costs_no_more_than_any_point_and_ignores_order(places, random):
    def cost(middle):
        return float(sum(haversine_m(*middle, *place) for place in places))

    median = geometric_median([p[0] for p in places], [p[1] for p in places])
    assert cost(median) <= min(map(cost, places)) + 0.1
    shuffled = random.sample(places, len(places))
    again = geometric_median([p[0] for p in shuffled], [p[1] for p in shuffled])
    assert cost(again) == pytest.approx(cost(median), rel=1e-6, abs=0.1)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=6))
def test_median_is_a_local_minimum(offsets):
    latitudes, longitudes = [50 + a for a, _ in offsets], [8 + b for _, b in offsets]
    median = geometric_median(latitudes, longitudes)

    def cost(place):
        return float(haversine_m(place[0], place[1], latitudes, longitudes).sum())

    around = [destination(*median, bearing, 500) for bearing in range(0, 360, 45)]
    assert cost(median) <= min(cost((float(a), float(b))) for a, b in around) + 1e-5 * cost(median)
