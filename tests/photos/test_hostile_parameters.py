"""What no browser would send is refused or left out, and never breaks a page."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User

from photos.filter_parameters import InvalidParameterError, read_filters
from photos.filters import MAX_WORDS, PhotoFilters
from photos.models import Photo
from photos.services.tagging import get_or_create_tag, set_tags

pytestmark = pytest.mark.django_db

HUGE = ("8e307,-10,1.7e308,10", "1e300,-10,1e300,10", "-1.7e308,-90,1.7e308,90", "1e17,0,1e17,1", "-1e9,0,1e9,1")


@pytest.fixture
def curator_client(client):
    client.force_login(User.objects.create_user("eve", is_staff=True))
    return client


@pytest.mark.parametrize("view", HUGE)
@pytest.mark.parametrize("zoom", ["3", "19"])
def test_a_view_beyond_the_world_is_answered(client, add, view, zoom):
    add(1, latitude=0.5, longitude=0.5)
    response = client.get("/map/clusters/", {"view": view, "zoom": zoom})
    assert response.status_code in {200, 400}


@pytest.mark.parametrize(
    "query",
    [
        *(f"bbox={view}" for view in HUGE),
        "bbox=170,-10,-170,10",
        "bbox=nan,0,1,1",
        "circle=10,20,-5",
        "circle=90,180,1e-300",
        "circle=5e-324,0,5e-324",
        "from=0001-01-01&to=9999-12-31",
        "from=2020-13-45",
        "q=" + quote("a % _ \\ ' " * 20),
        "cursor=" + "A" * 32,
        "cursor=f_________" + "A" * 22 + "=",
        "before=________________________________",
    ],
)
def test_odd_filters_are_left_out_or_lead_nowhere(client, add, query):
    add(1, latitude=0.5, longitude=0.5)
    for page in ("/photos/", "/map/", "/photos/photos.csv"):
        assert client.get(f"{page}?{query}").status_code in {200, 404}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/photos/photos.csv", "tag"),
        ("/photos/photos.geojson", "q"),
        ("/photos/change/", "next"),
        ("/photos/undo/", "next"),
        ("/following/seen/", "place"),
    ],
)
def test_a_nul_in_a_form_is_refused(curator_client, url, name):
    assert curator_client.post(url, {name: "a\0b"}).status_code == 400
    assert curator_client.post(url, {f"{name}\0": "a"}).status_code == 400


def test_a_polygon_nested_without_end_is_refused():
    with pytest.raises(InvalidParameterError):
        read_filters({"polygon": "[" * 5000})


def test_the_last_month_of_time_can_be_drawn(client, add):
    photo = add(1)
    set_tags(photo, [get_or_create_tag("Paris", category="town", is_place=True)])
    Photo.objects.update(taken_at=datetime(9999, 12, 31, 12, tzinfo=UTC))
    assert client.get("/places/paris/").status_code == 200


def test_words_without_end_are_asked_once_and_not_all():
    """Each word is looked for in every photo's texts and tags."""
    many = " ".join(f"word{number}" for number in range(100))
    asked = [PhotoFilters(text=text).apply(Photo.objects.all(), viewer=None) for text in (many, "a A b a " * 50)]
    assert [str(photos.query).count("EXISTS") for photos in asked] == [MAX_WORDS, 2]


@pytest.mark.parametrize("word", ["İstanbul", "Straße"])
def test_a_word_is_looked_for_as_it_is_written(client, add, word):
    photo = add(1, title=f"A quay of {word}")
    assert str(photo.uuid) in client.get("/photos/", {"q": word}).content.decode()
