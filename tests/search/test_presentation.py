"""What an answer tells of the photos in it."""

from __future__ import annotations

from search.presentation import present_match
from search.types import Match
from tests.search.gallery import new_photo


def match_of(viewer=None, **fields):
    photo = new_photo(latitude=41.001, longitude=-39.999, bearing_deg=120.0, location_accuracy_m=3.0, **fields)
    photo.save()
    photo.refresh_from_db()
    return present_match(Match(photo.pk, 0.5, 0.5, 0.5), photo, viewer)


def test_an_exact_photo_tells_its_point_and_bearing(db):
    match = match_of()
    assert (match["latitude"], match["longitude"], match["bearing_deg"]) == (41.001, -39.999, 120.0)


def test_an_approximate_photo_tells_a_stranger_its_cell_and_no_bearing(db):
    match = match_of(location_visibility="approximate")
    assert abs(match["latitude"] - 41.005) < 1e-9
    assert match["bearing_deg"] is None


def test_a_curator_is_told_the_exact_point(db, django_user_model):
    curator = django_user_model.objects.create_user("curator", is_staff=True)
    match = match_of(curator, location_visibility="hidden")
    assert (match["latitude"], match["bearing_deg"]) == (41.001, 120.0)


def test_a_hidden_place_tells_nothing(db):
    match = match_of(location_visibility="hidden")
    assert (match["latitude"], match["longitude"], match["bearing_deg"]) == (None, None, None)
