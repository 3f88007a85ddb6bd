"""Search, locate and similar photos for programs."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from photos.models import Photo
from photos.services import collection, indexing
from photos.services.spaces import ensure_default_space
from search import requests
from search.api import waiting
from search.api.serializers import EXAMPLE_ANSWER, EXAMPLE_MATCH, AnswerSerializer, MatchSerializer
from search.models import RequestState, SearchRequest
from tests.photos.pictures import blank_jpeg, encode, jpeg, textured

LOCATE, SEARCH = "/api/v1/locate/", "/api/v1/search/"


def upload(content: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def add(number: int, **fields) -> Photo:
    ensure_default_space()
    photo = collection.add_photo(jpeg(number, size=(480, 360)), title=str(number), **fields)
    indexing.index_now(photo.pk)
    return photo


def seen_again(number: int) -> bytes:
    """The picture of that number, smaller and compressed more."""
    return encode(textured(number, size=(480, 360)).resize((400, 300)), quality=75)


@pytest.fixture
def visitor() -> APIClient:
    return APIClient(raise_request_exception=False)


@pytest.fixture
def client(db) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(User.objects.create_user("ada"))
    return client


def ask(client: APIClient, content: bytes, **fields) -> dict[str, Any]:
    """Ask, work it out as the worker does, and read the answer."""
    response = client.post(LOCATE, {"image": upload(content), **fields})
    assert response.status_code == 202, response.json()
    requests.run(SearchRequest.objects.get(uuid=response.json()["id"]).pk)
    answer = client.get(response["Location"])
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.mark.django_db
def test_it_places_a_picture_that_the_collection_shows(visitor):
    photo = add(1, latitude=36.8789, longitude=30.7045)
    add(2, latitude=10.0, longitude=10.0)
    answer = ask(visitor, seen_again(1))
    location = answer["location"]
    assert (location["latitude"], location["longitude"]) == pytest.approx((36.8789, 30.7045), abs=1e-3)
    assert location["radius_m"] > 0
    assert 0 < location["probability"] <= 1
    assert location["support"] >= 1
    first = answer["matches"][0]
    assert first["photo"] == str(photo.uuid)
    assert first["verification"]["level"] == "confirmed"
    assert first["url"] == f"http://testserver/api/v1/photos/{photo.uuid}/"
    assert first["thumbnail"].startswith("http://testserver/photos/")
    assert {source["source"] for source in answer["sources"]} == {"exif", "visual"}
    assert answer["space"] == "classical-512"
    assert sum(answer["timings_ms"].values()) > 0


@pytest.mark.django_db
def test_an_answer_has_what_its_schema_says(visitor):
    add(1, latitude=36.8789, longitude=30.7045)
    answer = ask(visitor, seen_again(1))
    assert set(answer) == set(AnswerSerializer().fields) == set(EXAMPLE_ANSWER)
    assert set(answer["matches"][0]) == set(MatchSerializer().fields) == set(EXAMPLE_MATCH)
    for name in ("location", "sources", "matches"):
        told: Any = answer[name]
        example: Any = EXAMPLE_ANSWER[name]
        told, example = (told[0], example[0]) if isinstance(told, list) else (told, example)
        assert set(told) == set(example), name


@pytest.mark.django_db
@pytest.mark.parametrize("content", [blank_jpeg(), encode(textured(77, size=(480, 360)))])
def test_it_abstains_where_the_collection_shows_nothing_like_it(visitor, content):
    add(1, latitude=36.8789, longitude=30.7045)
    answer = ask(visitor, content)
    assert answer["location"] is None
    assert answer["state"] == "done"
    assert answer["verdict"]


@pytest.mark.django_db
def test_another_ones_private_photo_plays_no_part(visitor, client):
    owner = User.objects.get(username="ada")
    add(1, latitude=36.8789, longitude=30.7045, owner=owner, visibility="private")
    for asker, place_known in ((visitor, False), (client, True)):
        answer = ask(asker, seen_again(1))
        assert (answer["location"] is not None) == place_known
        assert bool(answer["matches"]) == place_known


@pytest.mark.django_db
def test_a_hidden_place_is_not_told(visitor):
    add(1, latitude=36.8789, longitude=30.7045, location_visibility="hidden")
    answer = ask(visitor, seen_again(1))
    assert answer["location"] is None
    assert (answer["matches"][0]["latitude"], answer["matches"][0]["longitude"]) == (None, None)


@pytest.mark.django_db
def test_without_waiting_it_says_where_to_ask_again(visitor):
    ensure_default_space()
    response = visitor.post(LOCATE, {"image": upload(jpeg(1))})
    body = response.json()
    assert (response.status_code, response["Retry-After"]) == (202, "1")
    assert response["Location"] == body["url"] == f"http://testserver{LOCATE}{body['id']}/"
    assert body["state"] == "pending"
    assert visitor.get(body["url"]).status_code == 202


@pytest.fixture
def worker(transactional_db):
    """Works out what is asked, as the worker does, in a thread of its own."""
    ending = threading.Event()

    def work() -> None:
        while not ending.wait(0.05):
            for pk in SearchRequest.objects.filter(state=RequestState.PENDING).values_list("pk", flat=True):
                requests.run(pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ending.set()
    thread.join()


@pytest.mark.parametrize("place", ["address", "form"])
def test_it_waits_for_the_answer(visitor, worker, place):
    add(1, latitude=36.8789, longitude=30.7045)
    image = {"image": upload(seen_again(1))}
    if place == "address":
        response = visitor.post(f"{LOCATE}?wait=20.5", image)
    else:
        response = visitor.post(LOCATE, {**image, "wait": "20"})
    assert response.status_code == 200
    assert response.json()["location"]["latitude"] == pytest.approx(36.8789, abs=1e-3)


def test_search_answers_with_matches(visitor, worker):
    for number in range(4):
        add(number)
    response = visitor.post(SEARCH, {"image": upload(seen_again(2)), "limit": "2"})
    body = response.json()
    assert response.status_code == 200
    assert body["matches"][0]["title"] == "2"
    assert len(body["matches"]) == 2


def test_a_picture_damaged_behind_its_header_is_refused_when_that_is_seen(visitor, worker):
    ensure_default_space()
    response = visitor.post(f"{LOCATE}?wait=20", {"image": upload(jpeg(1)[:-800])})
    body = response.json()
    assert (response.status_code, body["code"]) == (422, "unanswerable")
    assert "damaged" in body["detail"]
    answer = visitor.get(body["question"]["url"])
    assert (answer.status_code, answer.json()["state"], answer.json()["location"]) == (200, "failed", None)


@pytest.mark.django_db
def test_those_who_wait_do_not_take_every_thread(visitor, monkeypatch):
    ensure_default_space()
    monkeypatch.setattr(waiting, "_places", threading.BoundedSemaphore(1))
    with waiting._places:
        began = time.monotonic()
        response = visitor.post(f"{LOCATE}?wait=30", {"image": upload(jpeg(1))})
    assert response.status_code == 202
    assert time.monotonic() - began < 5


@pytest.mark.django_db
def test_search_by_a_photo_of_the_collection(visitor):
    photo, twin = add(1), collection.add_photo(seen_again(1), title="twin")
    indexing.index_now(twin.pk)
    add(2)
    for response in (
        visitor.post(SEARCH, {"photo": str(photo.uuid), "limit": 1}, format="json"),
        visitor.get(f"/api/v1/photos/{photo.uuid}/similar/", {"limit": "1"}),
    ):
        body = response.json()
        assert response.status_code == 200
        assert [match["title"] for match in body["matches"]] == ["twin"]
        assert set(body) == {"matches", "next_cursor", "space", "timings_ms"}


@pytest.mark.django_db
def test_a_private_photo_of_another_has_no_neighbours(visitor, client):
    photo = add(1, visibility="private")
    for asker in (visitor, client):
        assert asker.get(f"/api/v1/photos/{photo.uuid}/similar/").status_code == 404
        assert asker.post(SEARCH, {"photo": str(photo.uuid)}, format="json").status_code == 404


@pytest.mark.django_db
def test_a_photo_that_is_not_described_yet_has_no_neighbours_yet(visitor):
    ensure_default_space()
    photo = collection.add_photo(jpeg(1))
    body = visitor.get(f"/api/v1/photos/{photo.uuid}/similar/").json()
    assert body["matches"] == []


@pytest.mark.django_db
def test_an_answer_is_its_askers_alone(visitor, client):
    ensure_default_space()
    address = client.post(LOCATE, {"image": upload(jpeg(1))}).json()["url"]
    curator = APIClient()
    curator.force_authenticate(User.objects.create_user("cleo", is_staff=True))
    assert [one.get(address).status_code for one in (client, visitor, curator)] == [202, 404, 404]


@pytest.mark.django_db
def test_an_expired_answer_is_gone(visitor):
    ensure_default_space()
    address = visitor.post(LOCATE, {"image": upload(jpeg(1))}).json()["url"]
    SearchRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert visitor.get(address).status_code == 404


@pytest.mark.django_db
def test_without_a_space_it_is_not_ready_yet(visitor, monkeypatch):
    photo = collection.add_photo(jpeg(1))
    response = visitor.get(f"/api/v1/photos/{photo.uuid}/similar/")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "fields", "status"),
    [
        (LOCATE, {}, 400),
        (LOCATE, {"image": "text"}, 400),
        (f"{LOCATE}?wait=61", {"image": jpeg(1)}, 400),
        (f"{LOCATE}?wait=-1", {"image": jpeg(1)}, 400),
        (f"{LOCATE}?wait=nan", {"image": jpeg(1)}, 400),
        (f"{LOCATE}?wait=soon", {"image": jpeg(1)}, 400),
        (LOCATE, {"image": jpeg(1), "wait": "1e400"}, 400),
        (LOCATE, {"image": b""}, 400),
        (LOCATE, {"image": b"<svg/>"}, 415),
        (LOCATE, {"image": encode(textured(1), "GIF")}, 415),
        (LOCATE, {"image": encode(textured(1, size=(31, 40)), "PNG")}, 422),
        (SEARCH, {}, 400),
        (SEARCH, {"photo": "x"}, 400),
        (SEARCH, {"photo": "a\x00b"}, 400),
        (SEARCH, {"photo": str(uuid.uuid4())}, 404),
        (SEARCH, {"photo": str(uuid.uuid4()), "image": jpeg(1)}, 400),
        (SEARCH, {"image": jpeg(1), "limit": "51"}, 400),
        (SEARCH, {"image": jpeg(1), "limit": "0"}, 400),
        (SEARCH, {"image": b"\x89PNG\r\n\x1a\n"}, 415),
    ],
)
def test_it_rejects_a_question_naming_what_is_allowed(visitor, address, fields, status):
    ensure_default_space()
    files = {key: upload(value) if isinstance(value, bytes) else value for key, value in fields.items()}
    response = visitor.post(address, files)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["detail"]
    assert not SearchRequest.objects.exists()


@pytest.mark.django_db
def test_it_refuses_a_large_picture(visitor, settings):
    settings.MAX_UPLOAD_MIB = 1
    response = visitor.post(LOCATE, {"image": upload(jpeg(1) + b"\0" * 1024 * 1100)})
    assert (response.status_code, response.json()["code"]) == (413, "too-large")


@pytest.mark.django_db
def test_a_visitor_asks_so_often_and_a_user_as_they_like(visitor, client, settings):
    ensure_default_space()
    settings.LOCATE_RATE = "2/hour"
    assert [visitor.post(LOCATE, {"image": upload(jpeg(1))}).status_code for _ in range(3)] == [202, 202, 429]
    assert [client.post(LOCATE, {"image": upload(jpeg(1))}).status_code for _ in range(3)] == [202, 202, 202]
