"""Boxes, polygons and circles: the SQL against plain geometry, across the antimeridian and near the poles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser, User
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from photos.areas import BoundingBox, Circle, Polygon
from photos.filters import PhotoFilters
from photos.models import Photo
from search.geodesy import haversine_m
from tests.search.gallery import new_photo

pytestmark = pytest.mark.django_db

GRID = [(latitude, longitude) for latitude in (-89.9, -60, -17, 0, 41, 89.9) for longitude in range(-180, 181, 20)]


@pytest.fixture
def world(db):
    """One public photo on each point of a grid, by point."""
    photos = Photo.objects.bulk_create([new_photo(latitude=at[0], longitude=at[1]) for at in GRID])
    return {photo.pk: at for photo, at in zip(photos, GRID, strict=True)}


def inside(world, **area):
    found = PhotoFilters(**area).apply(Photo.objects.all(), viewer=None)
    return {world[pk] for pk in found.values_list("pk", flat=True)}


def test_it_works(world):
    square = Polygon(((15.0, 30.0), (65.0, 30.0), (65.0, 50.0), (15.0, 50.0), (15.0, 30.0)))
    assert inside(world, polygon=square) == {(41, 20), (41, 40), (41, 60)}
    assert inside(world, circle=Circle(41, 40, 1000)) == {(41, 40)}
    assert inside(world, box=BoundingBox(15, 30, 45, 50)) == {(41, 20), (41, 40)}


def test_a_concave_polygon_leaves_its_bay_out(world):
    horseshoe = ((-10.0, -5.0), (50.0, -5.0), (50.0, 45.0), (30.0, 45.0), (30.0, 5.0), (10.0, 5.0), (10.0, 45.0))
    found = inside(world, polygon=Polygon((*horseshoe, (-10.0, 45.0))))
    assert found == {(0, 0), (0, 20), (0, 40), (41, 0), (41, 40)}


def test_a_polygon_across_the_antimeridian(world):
    fiji = ((165.0, -25.0), (-155.0, -25.0), (-155.0, -5.0), (165.0, -5.0))
    everywhere = {(-17, -180), (-17, 180), (-17, -160)}
    assert inside(world, polygon=Polygon(fiji)) == everywhere
    assert inside(world, polygon=Polygon(fiji[::-1])) == everywhere
    assert inside(world, polygon=Polygon((*fiji[1:], fiji[0]))) == everywhere


@pytest.mark.parametrize(
    ("west", "east", "between"),
    [(165, 180, ()), (150, 180, (160,)), (-180, -170, ()), (-180, -150, (-160,)), (180, 180, ()), (180, -180, ())],
)
def test_a_box_that_ends_at_the_antimeridian_holds_both_its_names(world, west, east, between):
    found = inside(world, box=BoundingBox(west, -20, east, -10))
    assert found == {(-17, -180), (-17, 180), *((-17, longitude) for longitude in between)}


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        (((0.0, 0.0), (1.0, 1.0), (0.0, 0.0)), "3 to 500"),
        (((0.0, 0.0), (181.0, 1.0), (5.0, 5.0)), "-180 to 180"),
        (((0.0, 0.0), (10.0, math.nan), (5.0, 5.0)), "-180 to 180"),
        (((0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (-90.0, 80.0), (0.0, 80.0)), "pole"),
    ],
)
def test_it_rejects_what_is_no_polygon(corners, words):
    with pytest.raises(ValueError, match=words):
        Polygon(corners)


@pytest.mark.parametrize("values", [(91, 0, 5), (0, 181, 5), (0, 0, 0), (0, 0, math.inf), (0, 0, math.nan)])
def test_it_rejects_what_is_no_circle(values):
    with pytest.raises(ValueError, match=r"circle|radius"):
        Circle(*values)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(1, 2.1e7).map(lambda m: min(m, 2.0015e7)))
@example(89.0, 0.0, 500_000.0)
@example(-17.0, 179.9, 3_000_000.0)
@example(-90.0, 10.0, 3_400_000.0)
def test_a_circle_is_the_great_circle_distance(world, latitude, longitude, radius_m):
    points = np.array(GRID, float)
    distances = haversine_m(latitude, longitude, points[:, 0], points[:, 1])
    sure = {at for at, distance in zip(GRID, distances, strict=True) if distance < radius_m - 0.01}
    possible = {at for at, distance in zip(GRID, distances, strict=True) if distance < radius_m + 0.01}
    assert sure <= inside(world, circle=Circle(latitude, longitude, radius_m)) <= possible


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(-180, 180), st.floats(-80, 80), st.lists(st.floats(5, 60), min_size=3, max_size=8))
def test_a_star_shaped_polygon_is_what_its_corners_say(world, longitude, latitude, reaches):
    """Around a middle, so that a point is inside if it is nearer than the edge in its direction."""
    angles = [2 * math.pi * index / len(reaches) for index in range(len(reaches))]
    ring = [
        (longitude + reach * math.cos(angle), min(max(latitude + reach * math.sin(angle), -90), 90))
        for reach, angle in zip(reaches, angles, strict=True)
    ]
    corners = tuple(((x + 180) % 360 - 180, y) for x, y in ring)
    found = inside(world, polygon=Polygon(corners))
    for at in GRID:
        offsets = [((at[1] - longitude + turn), at[0]) for turn in (-360, 0, 360)]
        sides = [_winding(x + longitude, y, ring) for x, y in offsets]
        if all(abs(side) != 0.5 for side in sides):
            assert (at in found) == any(side for side in sides), at


def _winding(x, y, ring):
    """1 inside, 0 outside by the crossing rule; a half where the border is within reach of rounding."""
    crossings = 0
    for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
        length = math.hypot(x2 - x1, y2 - y1) or 1.0
        along = max(0.0, min(1.0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length**2))
        if math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1)) < 1e-5:
            return 0.5
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            crossings += 1
    return crossings % 2


def test_areas_are_asked_of_the_place_that_the_viewer_may_know(db):
    owner = User.objects.create_user("owner")
    hidden = new_photo(latitude=41.0, longitude=29.0, location_visibility="hidden", owner=owner)
    rough = new_photo(latitude=41.004, longitude=29.0, location_visibility="approximate", owner=owner)
    Photo.objects.bulk_create([hidden, rough])
    around = PhotoFilters(circle=Circle(41.004, 29.0, 100))
    assert set(around.apply(Photo.objects.all(), viewer=owner)) == {rough}
    assert set(around.apply(Photo.objects.all(), viewer=None)) == set()
    cell = PhotoFilters(circle=Circle(41.005, 29.005, 10))  # the middle of the grid's cell
    assert set(cell.apply(Photo.objects.all(), viewer=None)) == {rough}
    assert set(cell.apply(Photo.objects.all(), viewer=owner)) == set()


def test_the_owner_the_day_the_state_and_who_may_see(db):
    owner, other = User.objects.create_user("owner"), User.objects.create_user("other")
    mine, theirs = new_photo(owner=owner, visibility="private"), new_photo(owner=other, state="pending")
    Photo.objects.bulk_create([mine, theirs])
    cases = {
        PhotoFilters(owner=other.pk): [],  # another's public photos are not to be told apart
        PhotoFilters(owner=owner.pk): [mine],
        PhotoFilters(owner="me"): [mine],
        PhotoFilters(visibility="private"): [mine],
        PhotoFilters(state="pending"): [theirs],
        PhotoFilters(): [mine, theirs],
    }
    for filters, expected in cases.items():
        assert list(filters.apply(Photo.objects.order_by("pk"), viewer=owner)) == expected, filters
    for viewer in (None, AnonymousUser()):
        assert not PhotoFilters(owner="me").apply(Photo.objects.all(), viewer=viewer).exists()
        assert not PhotoFilters(owner=other.pk).apply(Photo.objects.all(), viewer=viewer).exists()
    curator = User.objects.create_user("curator", is_staff=True)
    assert list(PhotoFilters(owner=other.pk).apply(Photo.objects.all(), viewer=curator)) == [theirs]
