"""The drawn sample: the same every time, and true to its own geometry."""

from __future__ import annotations

import io
import itertools
import json

import numpy as np
import pytest
from PIL import Image

from photos.exif import read_exif
from photos.management.commands.create_sample import describe
from photos.models import Photo
from photos.sample.drawing import NOTE, draw_sample, encode_view
from photos.sample.scene import Camera
from photos.sample.town import ORIGIN, PLACES
from photos.sample.views import HELD_OUT, METRES_PER_DEGREE, VIEWS, camera_of, draw_view, position_of
from photos.services.importing import import_folder

SMALL = 0.15


@pytest.fixture(scope="module")
def view():
    return draw_view(0, 0, scale=SMALL)


def metres_between(a, b):
    north = (b[0] - a[0]) * METRES_PER_DEGREE
    east = (b[1] - a[1]) * METRES_PER_DEGREE * np.cos(np.radians(a[0]))
    return float(np.hypot(north, east))


def test_the_same_view_has_the_same_pixels(view):
    again = draw_view(0, 0, scale=SMALL)
    assert np.array_equal(view.pixels, again.pixels)
    assert not np.array_equal(view.pixels, draw_view(0, 1, scale=SMALL).pixels)


def test_a_view_is_a_picture_worth_looking_at(view):
    assert view.pixels.shape == (144, 192, 3)
    assert view.pixels.std() > 25
    assert 60 < view.pixels.mean() < 200


def test_a_point_lands_where_the_pinhole_says():
    camera = Camera((0.0, -20.0, 1.7), 0.0, 0.0, 0.0, 1000.0, 1280, 960)
    pixels, depths = camera.project(np.array([[0.0, 0.0, 1.7], [2.0, 0.0, 1.7], [0.0, 0.0, 3.7]]))
    assert pixels == pytest.approx(np.array([[640, 480], [740, 480], [640, 380]]))
    assert depths == pytest.approx([20, 20, 20])


def test_turning_right_moves_things_left():
    turned = Camera((0.0, -20.0, 1.7), 45.0, 0.0, 0.0, 1000.0, 1280, 960)
    pixels, _ = turned.project(np.array([[20.0, 0.0, 1.7], [0.0, 0.0, 1.7]]))
    assert pixels[0] == pytest.approx([640, 480])
    assert pixels[1][0] < 0


@pytest.mark.parametrize("place", range(len(PLACES)))
def test_every_camera_stands_before_its_place_and_looks_at_it(place):
    here = PLACES[place]
    front = (
        ORIGIN[0] + here.north_m / METRES_PER_DEGREE,
        ORIGIN[1] + here.east_m / (METRES_PER_DEGREE * np.cos(np.radians(ORIGIN[0]))),
    )
    for number in range(VIEWS + 1):
        latitude, longitude, bearing = position_of(here, camera_of(place, number))
        assert 8 < metres_between(front, (latitude, longitude)) < 75
        east, north = (
            (front[1] - longitude) * np.cos(np.radians(latitude)),
            front[0] - latitude,
        )
        towards = np.degrees(np.arctan2(east, north)) % 360
        assert abs((bearing - towards + 180) % 360 - 180) < 8


def test_places_are_far_enough_apart_to_be_told_apart():
    points = [(place.east_m, place.north_m) for place in PLACES]
    assert len(PLACES) == 12
    assert min(float(np.hypot(a[0] - b[0], a[1] - b[1])) for a, b in itertools.combinations(points, 2)) >= 150


def test_exif_holds_the_cameras_position_and_says_it_is_drawn(view):
    facts = read_exif(encode_view(view, placed=True))
    assert (facts.latitude, facts.longitude) == pytest.approx((view.latitude, view.longitude), abs=1e-6)
    assert facts.bearing_deg == pytest.approx(view.bearing_deg, abs=0.01)
    assert facts.taken_at == view.taken_at
    assert facts.description == NOTE


def test_a_view_to_try_has_no_position(view):
    facts = read_exif(encode_view(view, placed=False))
    assert (facts.latitude, facts.longitude) == (None, None)
    assert b"Town Hall" not in encode_view(view, placed=False)


def test_drawing_goes_on_where_it_stopped(tmp_path, monkeypatch):
    """Only what is missing is drawn; the truth names every view to try."""
    drawn = []

    def draw_little(place_index, view_index, **_options):
        drawn.append((place_index, view_index))
        return small

    small = draw_view(0, 0, scale=0.05)
    monkeypatch.setattr("photos.sample.drawing.draw_view", draw_little)
    manifest = draw_sample(tmp_path, workers=1)
    assert len(drawn) == len(PLACES) * (VIEWS + 1)
    assert all(path.is_file() for path in (*manifest.gallery, *manifest.held_out))
    manifest.gallery[3].unlink()
    drawn.clear()
    draw_sample(tmp_path, workers=1)
    assert drawn == [(0, 3)]
    truths = json.loads((tmp_path / "held-out" / "truth.json").read_text())
    assert [truth["place"] for truth in truths] == [place.name for place in PLACES]
    latitude, longitude, _ = position_of(PLACES[4], camera_of(4, HELD_OUT))
    assert (truths[4]["latitude"], truths[4]["longitude"]) == pytest.approx((latitude, longitude), abs=1e-6)


@pytest.mark.django_db
def test_a_drawn_photo_joins_the_collection_with_its_place(tmp_path, view):
    file = tmp_path / "town-hall-1.jpg"
    file.write_bytes(encode_view(view, placed=True))
    report = import_folder(tmp_path, files=[file], defaults=describe(view.place))
    photo = Photo.objects.get(pk=report.added[0])
    assert (photo.title, photo.license, photo.location_source) == ("Town Hall", "CC0-1.0", "exif")
    assert NOTE in photo.description
    assert list(photo.tags.filter(is_place=True).values_list("name", flat=True)) == ["Town Hall"]
    assert Image.open(io.BytesIO(file.read_bytes())).size == (photo.width, photo.height)
