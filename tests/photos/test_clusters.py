"""The collection on a map: what is counted where, and for whom."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from django.contrib.auth.models import AnonymousUser
from hypothesis import given, settings
from hypothesis import strategies as st

from photos.clusters import Cluster, MapView, clusters_of, grid_of, latitude_at, mercator_y, merge_neighbours
from photos.filters import PhotoFilters
from photos.models import Photo
from photos.services import collection
from tests.photos.pictures import jpeg

WORLD = MapView.of(-180, -85, 180, 85, 1)


@pytest.fixture
def place(space):
    """Add a photo at a point."""
    numbers = iter(range(1000))

    def add_at(latitude, longitude, **fields) -> Photo:
        return collection.add_photo(jpeg(next(numbers)), latitude=latitude, longitude=longitude, **fields)

    return add_at


def seen(view, viewer=None, photos=None) -> list[Cluster]:
    photos = Photo.objects.all().visible_to(viewer) if photos is None else photos
    return clusters_of(photos, view, viewer=viewer)


@pytest.mark.django_db
class TestClusters:
    def test_it_works(self, place):
        first, second, far = place(41.01, 28.97), place(41.02, 28.98), place(-33.9, 151.2)
        near, alone = seen(WORLD)
        assert (near.count, near.inside, near.photo_id) == (2, 2, second.pk)
        assert (near.latitude, near.longitude) == pytest.approx((41.015, 28.975))
        assert (near.west, near.south, near.east, near.north) == (28.97, 41.01, 28.98, 41.02)
        assert (alone.count, alone.photo_id) == (1, far.pk)
        assert first.pk < second.pk

    def test_zooming_in_parts_them(self, place):
        place(41.01, 28.97)
        place(41.02, 28.98)
        close = MapView.of(28.96, 41.0, 28.99, 41.03, 14)
        assert [one.count for one in seen(close)] == [1, 1]

    def test_what_is_outside_the_view_is_not_inside_it(self, place):
        place(41.0100, 28.9700)
        place(41.0101, 28.9701)
        view = MapView.of(28.96, 41.0, 28.97005, 41.03, 14)
        assert [(one.count, one.inside) for one in seen(view)] == [(2, 1)]

    def test_a_hidden_place_is_counted_for_nobody_but_its_owner_and_curators(self, place, owner, admin_user):
        place(41.0, 29.0, owner=owner, location_visibility="hidden")
        assert seen(WORLD) == seen(WORLD, AnonymousUser()) == []
        assert [one.count for one in seen(WORLD, owner)] == [1]
        assert [one.latitude for one in seen(WORLD, admin_user)] == [41.0]

    def test_an_approximate_place_lies_in_the_middle_of_its_cell(self, place, owner, admin_user):
        place(41.0123, 29.0456, owner=owner, location_visibility="approximate")
        (cell,) = seen(WORLD)
        assert (cell.latitude, cell.longitude) == pytest.approx((41.015, 29.045))
        assert (cell.south, cell.north) == pytest.approx((41.015, 41.015))
        for knowing in (owner, admin_user):
            assert [one.latitude for one in seen(WORLD, knowing)] == [pytest.approx(41.0123)]

    def test_an_approximate_place_is_not_found_by_where_it_really_is(self, place):
        place(41.0123, 29.0456, location_visibility="approximate")
        around_the_truth = MapView.of(29.0455, 41.0122, 29.0457, 41.0124, 19)
        assert seen(around_the_truth) == []

    def test_a_private_photo_is_counted_for_its_owner_alone(self, place, owner, django_user_model):
        place(41.0, 29.0, owner=owner, visibility="private")
        place(41.0, 29.0, owner=owner)
        stranger = django_user_model.objects.create_user("eve")
        assert [one.count for one in seen(WORLD)] == [1]
        assert [one.count for one in seen(WORLD, stranger)] == [1]
        assert [one.count for one in seen(WORLD, owner)] == [2]

    def test_the_antimeridian_cuts_nothing(self, place):
        place(-17.0, 179.9)
        place(-17.0, -179.9)
        view = MapView.of(170, -30, 200, 0, 3)
        (both,) = seen(view)
        assert both.count == 2
        assert both.longitude == pytest.approx(180.0)
        assert (both.west, both.east) == pytest.approx((179.9, 180.1))
        assert seen(MapView.of(-190, -30, -160, 0, 3)) == seen(view)

    def test_the_poles_are_counted(self, place):
        place(90.0, 0.0)
        place(-90.0, 0.0)
        assert sorted(one.latitude for one in seen(MapView.of(-180, -90, 180, 90, 2))) == [-90.0, 90.0]

    def test_filters_are_those_of_the_gallery(self, place):
        place(41.0, 29.0, tags=["gate"])
        place(41.0, 29.0)
        photos = PhotoFilters(tags=("gate",)).apply(Photo.objects.all(), viewer=None)
        assert [one.count for one in seen(WORLD, photos=photos)] == [1]


def test_a_copy_of_the_world_is_the_world():
    assert MapView.of(350, 10, 370, 20, 5) == MapView.of(-10, 10, 10, 20, 5)
    assert MapView.of(170, 0, -170, 1, 3).east == 190
    wide = MapView.of(-500, -100, 500, 100, 0)
    assert (wide.east - wide.west, wide.south, wide.north) == (360, -90, 90)


@pytest.mark.parametrize(
    ("west", "south", "east", "north"),
    [(float("nan"), 0, 1, 1), (0, 2, 1, 1), (0, 0, float("inf"), 1), (400, 0, 10, 1)],
)
def test_what_is_no_view_is_refused(west, south, east, north):
    with pytest.raises(ValueError, match="must"):
        MapView.of(west, south, east, north, 3)


@pytest.mark.parametrize("latitude", [-85.05, -41.0, 0.0, 12.5, 85.05])
def test_heights_on_the_map(latitude):
    assert latitude_at(mercator_y(latitude)) == pytest.approx(latitude)
    assert mercator_y(0.0) == 0.5


@settings(max_examples=200, deadline=None)
@given(
    west=st.floats(-180, 179.9),
    width=st.floats(0, 360),
    south=st.floats(-90, 90),
    height=st.floats(0, 180),
    zoom=st.integers(0, 22),
)
def test_a_grid_holds_its_view_in_few_cells(west, width, south, height, zoom):
    view = MapView.of(west, south, west + width, min(south + height, 90), zoom)
    grid = grid_of(view)
    assert 1 <= grid.columns * (len(grid.rows) - 1) <= 1200
    assert grid.west <= view.west + 1e-9
    assert grid.east >= view.east - 1e-9 or math.isclose(grid.east - grid.west, 360)
    assert grid.rows[0] <= view.south + 1e-9
    assert grid.rows[-1] >= view.north - 1e-9
    assert all(low < high for low, high in pairwise(grid.rows))


def _cluster(latitude, longitude, count=1, photo_id=1) -> Cluster:
    edges = {"west": longitude, "east": longitude, "south": latitude, "north": latitude}
    return Cluster(count=count, inside=count, latitude=latitude, longitude=longitude, photo_id=photo_id, **edges)


def test_neighbours_are_united_around_the_larger():
    small, large, far = _cluster(0.0, 0.9, 1, 7), _cluster(0.0, 1.1, 3, 2), _cluster(0.0, 3.0)
    united, alone = merge_neighbours([small, large, far], cell=1.0)
    assert (united.count, united.photo_id, united.longitude) == pytest.approx((4, 7, 1.05))
    assert (united.west, united.east) == (0.9, 1.1)
    assert alone == far


@pytest.mark.django_db
class TestEndpoint:
    url = "/map/clusters/?bbox=-180,-85,180,85&zoom=2"

    def test_it_works(self, client, place):
        photo = place(41.01, 28.97, title="The gate")
        found = client.get(self.url).json()
        assert found["in_view"] == 1
        (cluster,) = found["clusters"]
        assert (cluster["title"], cluster["url"], cluster["count"]) == ("The gate", photo.get_absolute_url(), 1)
        assert client.get(cluster["thumbnail"]).status_code == 200

    def test_it_takes_the_gallerys_filters(self, client, place):
        place(41.01, 28.97, title="The gate")
        assert client.get(f"{self.url}&q=gate").json()["in_view"] == 1
        assert client.get(f"{self.url}&q=bridge").json()["in_view"] == 0

    def test_it_says_which_point_is_only_a_cell(self, client, place):
        place(41.01, 28.97, location_visibility="approximate")
        assert [one["exact"] for one in client.get(self.url).json()["clusters"]] == [False]

    @pytest.mark.parametrize("query", ["", "?bbox=1,2,3&zoom=1", "?bbox=a,b,c,d&zoom=1", "?bbox=0,0,nan,1&zoom=1"])
    def test_it_refuses_what_is_no_view(self, client, query):
        assert client.get(f"/map/clusters/{query}").status_code == 400
