"""Listing photos: filters that know only what the asker may know, stable pages, GeoJSON."""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from photos.api.pagination import decode_cursor, encode_cursor
from photos.api.parameters import PhotoListParameters
from photos.models import Photo, PhotoState

pytestmark = pytest.mark.django_db
PHOTOS = "/api/v1/photos/"


@pytest.fixture
def client(owner) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(owner)
    return client


@pytest.fixture
def visitor() -> APIClient:
    return APIClient(raise_request_exception=False)


@pytest.fixture
def curator() -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(User.objects.create_user("cleo", is_staff=True))
    return client


def titles(client: APIClient, **parameters: str) -> list[str]:
    response = client.get(PHOTOS, parameters)
    assert response.status_code == 200, response.json()
    return sorted(photo["title"] for photo in response.json()["results"])


def test_it_works(visitor, add):
    add(1, title="first")
    add(2, title="second")
    body = visitor.get(PHOTOS).json()
    assert ([photo["title"] for photo in body["results"]], body["next"]) == (["second", "first"], None)


def test_it_lists_only_what_the_asker_may_see(visitor, client, curator, add, owner):
    add(1, title="public")
    add(2, title="own", owner=owner, visibility="private")
    add(3, title="strange", visibility="private")
    assert titles(visitor) == ["public"]
    assert titles(client) == ["own", "public"]
    assert titles(curator) == ["own", "public", "strange"]


@pytest.mark.parametrize(
    ("box", "found"),
    [
        ("30,36,31,37", ["antalya"]),
        ("30.7,36.9,30.7,36.9", ["antalya"]),
        ("-180,-90,180,90", ["antalya", "fiji", "taveuni"]),
        ("177,-20,-178,-15", ["fiji", "taveuni"]),
        ("179,-20,180,-15", []),
        ("-180,-20,-178,-15", ["taveuni"]),
        ("31,36,30,37", []),
        ("0,0,0,0", []),
    ],
)
def test_a_box_finds_what_is_in_it_across_the_antimeridian_too(visitor, add, box, found):
    add(1, title="antalya", latitude=36.9, longitude=30.7)
    add(2, title="fiji", latitude=-17.7, longitude=178.0)
    add(3, title="taveuni", latitude=-16.8, longitude=-179.9)
    add(4, title="nowhere")
    assert titles(visitor, bbox=box) == found


def test_a_box_past_the_poles_of_the_antimeridian_finds_its_very_edge(visitor, add):
    add(1, title="east edge", latitude=90, longitude=180)
    add(2, title="west edge", latitude=-90, longitude=-180)
    assert titles(visitor, bbox="170,-90,-170,90") == ["east edge", "west edge"]


def test_a_box_finds_by_the_place_that_the_asker_may_know(visitor, client, curator, add, owner):
    at = {"latitude": 36.8712, "longitude": 30.7012, "owner": owner}
    add(1, title="exact", **at)
    add(2, title="approximate", location_visibility="approximate", **at)
    add(3, title="hidden", location_visibility="hidden", **at)
    around, cell_middle = "30.7010,36.8710,30.7014,36.8714", "30.7049,36.8749,30.7051,36.8751"
    assert titles(visitor, bbox=around) == ["exact"]
    assert titles(visitor, bbox=cell_middle) == ["approximate"]
    for knowing in (client, curator):
        assert titles(knowing, bbox=around) == ["approximate", "exact", "hidden"]
        assert titles(knowing, bbox=cell_middle) == []


def test_has_location_is_about_what_the_asker_may_know(visitor, client, add, owner):
    add(1, title="placed", latitude=1, longitude=2)
    add(2, title="hidden", latitude=1, longitude=2, location_visibility="hidden", owner=owner)
    add(3, title="unplaced")
    assert (titles(visitor, has_location="true"), titles(client, has_location="true")) == (
        ["placed"],
        ["hidden", "placed"],
    )
    assert titles(visitor, has_location="false") == ["hidden", "unplaced"]
    assert titles(client, has_location="false") == ["unplaced"]


def test_every_tag_is_needed_by_name_or_slug(visitor, add):
    add(1, title="both", tags=["Old Tower", "sea"])
    add(2, title="one", tags=["old tower"])
    add(3, title="none")
    assert titles(visitor, tags="Old Tower") == titles(visitor, tags="old-tower") == ["both", "one"]
    assert titles(visitor, tags="old-tower,SEA") == ["both"]
    assert titles(visitor, tags="moon") == []


def test_it_filters_by_state(visitor, add):
    ready = add(1, title="ready")
    add(2, title="pending")
    Photo.objects.filter(pk=ready.pk).update(state=PhotoState.READY)
    assert titles(visitor, state="ready") == ["ready"]


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"bbox": "1,2,3"}, "west,south,east,north"),
        ({"bbox": "1,2,3,nan"}, "valid number"),
        ({"bbox": "1,2,3,1e400"}, "valid number"),
        ({"bbox": "a,b,c,d"}, "valid number"),
        ({"bbox": "0,50,1,40"}, "south first"),
        ({"bbox": "0,-91,1,40"}, "-90 to 90"),
        ({"bbox": "-181,0,1,40"}, "-180 to 180"),
        ({"bbox": "1" * 201}, "200 characters"),
        ({"limit": "0"}, "1"),
        ({"limit": "201"}, "200"),
        ({"limit": "many"}, "integer"),
        ({"limit": "9" * 400}, "200"),
        ({"state": "lost"}, "lost"),
        ({"has_location": "maybe"}, "boolean"),
        ({"cursor": "nonsense"}, "`next`"),
        ({"cursor": "ä"}, "`next`"),
        ({"cursor": "f" + "A" * 31}, "`next`"),
        ({"tags": "x" * 101}, "100"),
    ],
)
def test_it_rejects_a_parameter_naming_what_is_allowed(visitor, space, parameters, named):
    response = visitor.get(PHOTOS, parameters)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert named in response.json()["detail"]


def pages(client: APIClient, **parameters: str) -> list[list[str]]:
    found, address = [], PHOTOS + "?" + "&".join(f"{key}={value}" for key, value in parameters.items())
    while address:
        body = client.get(address).json()
        found.append([photo["title"] for photo in body["results"]])
        address = body["next"]
    return found


def test_pages_follow_one_another_and_end(visitor, add):
    for number in range(7):
        add(number, title=str(number))
    assert pages(visitor, limit="3") == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert pages(visitor, limit="7") == [["6", "5", "4", "3", "2", "1", "0"]]


def test_photos_of_the_same_moment_are_each_listed_once(visitor, add):
    for number in range(6):
        add(number, title=str(number))
    Photo.objects.update(created_at=timezone.now())
    found = [title for page in pages(visitor, limit="2") for title in page]
    assert sorted(found) == ["0", "1", "2", "3", "4", "5"]


def test_what_arrives_or_goes_meanwhile_shifts_nothing(visitor, add):
    photos = [add(number, title=str(number)) for number in range(5)]
    first = visitor.get(PHOTOS, {"limit": "2"}).json()
    add(9, title="new")
    photos[3].delete()  # where the first page ended
    second = visitor.get(first["next"]).json()
    assert [photo["title"] for photo in second["results"]] == ["2", "1"]


def test_next_keeps_the_filters(visitor, add):
    for number in range(3):
        add(number, title=str(number), latitude=1, longitude=number)
    add(7, title="elsewhere", latitude=50, longitude=50)
    assert pages(visitor, limit="1", bbox="-1,0,5,2") == [["2"], ["1"], ["0"]]


def test_a_cursor_comes_back_as_it_was(add):
    photo = add(1)
    assert decode_cursor(encode_cursor(photo)) == (photo.created_at, photo.uuid)
    photo.created_at = timezone.now() - timedelta(days=30_000)
    assert decode_cursor(encode_cursor(photo)) == (photo.created_at, photo.uuid)


@given(st.text(max_size=60))
def test_no_cursor_breaks_it(text):
    with contextlib.suppress(ValidationError):
        decode_cursor(text)


@given(st.text(max_size=40) | st.lists(st.floats() | st.integers(), max_size=5).map(lambda n: ",".join(map(str, n))))
def test_no_box_breaks_it(text):
    parameters = PhotoListParameters(data={"bbox": text})
    if parameters.is_valid():
        box = parameters.validated_data["bbox"]
        assert -180 <= box.west <= 180
        assert -90 <= box.south <= box.north <= 90


def test_geojson_where_that_is_asked_for(visitor, add):
    add(1, title="placed", latitude=36.8, longitude=30.7)
    add(2, title="unplaced")
    response = visitor.get(PHOTOS, {"limit": "5"}, headers={"accept": "application/geo+json"})
    body = json.loads(response.content)
    assert response["Content-Type"] == "application/geo+json"
    assert body["type"] == "FeatureCollection"
    assert [feature["geometry"] for feature in body["features"]] == [
        None,
        {"type": "Point", "coordinates": [30.7, 36.8]},
    ]
    assert [feature["properties"]["title"] for feature in body["features"]] == ["unplaced", "placed"]


def test_a_problem_stays_a_problem_where_geojson_was_asked_for(visitor, space):
    response = visitor.get(PHOTOS, {"limit": "0"}, headers={"accept": "application/geo+json"})
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_any_number_of_photos_takes_as_many_queries(visitor, add, django_assert_max_num_queries):
    for number in range(12):
        add(number, tags=["a", f"b{number}"], latitude=1, longitude=number)
    with django_assert_max_num_queries(2):
        assert len(visitor.get(PHOTOS).json()["results"]) == 12
