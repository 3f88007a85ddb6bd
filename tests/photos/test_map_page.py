"""The page with the collection's map: where it opens, and what it says without JavaScript."""

from __future__ import annotations

import pytest

from photos.clusters import Cluster
from photos.pages.collection_map import box_around, extent_of
from photos.services import collection
from tests.photos.pictures import jpeg


def cluster(west, east, south=0.0, north=1.0) -> Cluster:
    return Cluster(
        count=1, inside=1, latitude=0.5, longitude=west, west=west, east=east, south=south, north=north, photo_id=1
    )


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(10, 20)], [10, 20]),
        ([(10, 20), (30, 40)], [10, 40]),
        ([(170, 175), (-178, -176)], [170, 184]),
        ([(-170, -160), (0, 10), (150, 160)], [0, 200]),
        ([(-50, -40), (100, 110), (90, 105)], [-50, 110]),
        ([(-150, -140), (100, 110), (90, 105)], [90, 220]),
    ],
)
def test_the_smallest_box_leaves_the_widest_gap_out(spans, expected):
    extent = extent_of([cluster(*span) for span in spans])
    assert extent[::2] == expected


def test_a_clusters_box_holds_its_photos():
    west, south, east, north = map(float, box_around(cluster(29.0000004, 29.0000004)).split(","))
    assert west < 29.0000004 < east
    assert south < 0
    assert north > 1


@pytest.mark.django_db
class TestPage:
    def test_it_works(self, client, space):
        photo = collection.add_photo(jpeg(1), latitude=41.0, longitude=29.0, title="The gate")
        for number in (2, 3):
            collection.add_photo(jpeg(number), latitude=-33.0, longitude=151.0)
        page = client.get("/map/").content.decode()
        assert "3 photos on the map" in page
        assert photo.get_absolute_url() in page
        assert "bbox=150.999990,-33.000010,151.000010,-32.999990" in page

    def test_it_takes_the_gallerys_filters(self, client, space):
        collection.add_photo(jpeg(1), latitude=41.0, longitude=29.0, title="The gate")
        assert "1 photo on the map" in client.get("/map/?q=gate").content.decode()
        assert "None of these photos is on the map" in client.get("/map/?q=bridge").content.decode()

    def test_an_empty_map_teaches(self, client, space):
        assert "The map is empty" in client.get("/map/").content.decode()

    def test_a_hidden_place_is_not_on_it(self, client, space):
        collection.add_photo(jpeg(1), latitude=41.0, longitude=29.0, location_visibility="hidden")
        assert "The map is empty" in client.get("/map/").content.decode()
