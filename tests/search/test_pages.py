"""Asking by the page, with and without JavaScript."""

from __future__ import annotations

import io
import json
import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from photos.models import Photo
from photos.services import collection
from photos.services.spaces import ensure_default_space
from search import requests
from search.models import RequestState, SearchRequest
from tests.photos.pictures import jpeg, placed_jpeg

pytestmark = pytest.mark.django_db

SCRIPT = {"accept": "application/json"}
BROWSER = {"accept": "text/html"}


def picture(data=None):
    return SimpleUploadedFile("where.jpg", data or jpeg(1, size=(400, 300)), content_type="image/jpeg")


@pytest.fixture(autouse=True)
def space(db):
    return ensure_default_space()


def test_it_works(client):
    response = client.post("/", {"image": picture()}, headers=SCRIPT)
    question = SearchRequest.objects.get()
    assert (response.status_code, response.json()["url"]) == (201, f"/locate/{question.uuid}/")
    assert question.session_key == client.session.session_key
    page = client.get(response.json()["url"]).content.decode()
    assert "data-asks-again" in page
    assert requests.run(question.pk)
    part = client.get(response.json()["url"], headers={"hx-request": "true"}).content.decode()
    assert "<html" not in part
    assert "cannot place" in part


def test_without_javascript_it_leads_to_the_answer(client):
    response = client.post("/", {"image": picture()}, headers=BROWSER)
    assert response.status_code == 302
    assert "http-equiv" in client.get(response["Location"]).content.decode()


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [(b"<html></html>", 415, "JPEG"), (b"", 400, ""), (jpeg(1, size=(20, 20)), 400, "32")],
)
def test_it_rejects_what_is_no_picture(client, data, status, words):
    response = client.post("/", {"image": SimpleUploadedFile("x.jpg", data)}, headers=SCRIPT)
    assert response.status_code == status
    assert words in response.json()["detail"]
    assert not SearchRequest.objects.exists()


def test_it_rejects_a_question_without_a_picture_on_the_page(client):
    response = client.post("/", {}, headers=BROWSER)
    assert response.status_code == 400
    assert "Choose a photo first" in response.content.decode()


def test_it_rejects_a_body_that_is_too_large(client, settings):
    settings.MAX_UPLOAD_MIB = 1
    response = client.post("/", {"image": picture(bytes(1200 * 1024))}, headers=SCRIPT)
    assert response.status_code == 413


def test_it_rejects_the_question_too_many(client, settings):
    settings.LOCATE_RATE = "1/day"
    assert client.post("/", {"image": picture()}, headers=SCRIPT).status_code == 201
    response = client.post("/", {"image": picture()}, headers=SCRIPT)
    assert response.status_code == 429
    assert SearchRequest.objects.count() == 1


def test_nobody_else_sees_question_or_picture(client, client_of_a_stranger):
    url = client.post("/", {"image": picture()}, headers=SCRIPT).json()["url"]
    image = f"{url}image.jpg"
    assert client.get(image).status_code == 200
    assert client_of_a_stranger.get(url).status_code == 404
    assert client_of_a_stranger.get(image).status_code == 404
    assert client.get(f"/locate/{uuid.uuid4()}/").status_code == 404


@pytest.fixture
def client_of_a_stranger():
    from django.test import Client

    return Client()


def test_the_askers_picture_is_shown_without_metadata(client):
    url = client.post("/", {"image": picture(placed_jpeg(1, 41.0, -40.0))}, headers=SCRIPT).json()["url"]
    response = client.get(f"{url}image.jpg")
    shown = Image.open(io.BytesIO(b"".join(response.streaming_content)))
    assert dict(shown.getexif()) == {}


def test_a_question_that_failed_says_why(client):
    url = client.post("/", {"image": picture()}, headers=SCRIPT).json()["url"]
    SearchRequest.objects.update(state=RequestState.FAILED, error="The file is damaged.")
    page = client.get(url).content.decode()
    assert "could not be answered" in page
    assert "The file is damaged." in page


def test_examples_are_shown_and_asked_about(client, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    folder = tmp_path / "sample" / "held-out"
    folder.mkdir(parents=True)
    (folder / "gate.jpg").write_bytes(jpeg(5, size=(640, 480)))
    (folder / "truth.json").write_text(json.dumps([{"file": "gate.jpg"}, {"file": "gone.jpg"}]))
    page = client.get("/").content.decode()
    assert "gate.jpg" in page
    assert "gone.jpg" not in page
    assert client.get(reverse("example-image", args=["gate.jpg"])).status_code == 200
    assert client.get("/examples/truth.json").status_code == 404
    assert client.post("/", {"example": "gate.jpg"}, headers=BROWSER).status_code == 302
    assert client.post("/", {"example": "../../secret_key"}, headers=SCRIPT).status_code == 400


def test_similar_photos_work_without_javascript_too(client):
    from photos.services.collection import add_photo
    from photos.services.indexing import index_now

    photos = [add_photo(jpeg(number, size=(400, 300)), title=f"Photo {number}") for number in (1, 2)]
    assert all(index_now(photo.pk) for photo in photos)
    url = reverse("photo-similar", args=[photos[0].uuid])
    assert "Photo 2" in client.get(url).content.decode()
    assert "<html" not in client.get(url, headers={"hx-request": "true"}).content.decode()


def test_a_segment_of_a_photo_is_found_in_others(client, town):
    """Each segment of the photo's page leads there: the gate's to the gate's other photo."""
    page = client.get(town.gate[0].get_absolute_url()).content.decode()
    links = re.findall(r'class="find" href="([^"]+)"', page)
    assert len(links) == town.gate[0].segments.count() > 0
    url = reverse("photo-similar", args=[town.gate[0].uuid])
    assert sorted(links) == sorted(f"{url}?segment={rank}" for rank in range(len(links)))
    response = client.get(links[0])
    assert response.context["matches"][0]["url"] == town.gate[1].get_absolute_url()
    assert re.search("<h1>Photos most like segment [1-9]</h1>", response.content.decode())


def test_segments_of_another_segmenter_cannot_be_asked_with(client, town):
    town.gate[0].segments.update(segmenter="another")
    page = client.get(town.gate[0].get_absolute_url()).content.decode()
    assert 'id="segment-legend"' in page
    assert 'class="find"' not in page


@pytest.mark.parametrize("part", ["99", "-1", "x", "1.5", "9" * 30])
def test_a_segment_that_there_is_not_is_not_found(client, town, part):
    assert client.get(reverse("photo-similar", args=[town.gate[0].uuid]), {"segment": part}).status_code == 404


def test_the_number_of_placed_photos_counts_no_hidden_place(client, town):
    """It is that of the photos that can place one for this visitor."""
    assert "4 placed photos" in client.get("/").content.decode()
    Photo.objects.filter(pk=town.gate[0].pk).update(location_visibility="hidden")
    Photo.objects.filter(pk=town.tower[0].pk).update(visibility="private")
    assert "2 placed photos" in client.get("/").content.decode()


def test_similar_photos_are_not_had_without_end(client, settings):
    settings.LOCATE_RATE = "1/day"
    photo = collection.add_photo(jpeg(1))
    page, api = reverse("photo-similar", args=[photo.uuid]), reverse("api-similar", args=[photo.uuid])
    assert client.get(page).status_code == 200
    refused = client.get(page)
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    assert "A moment, please" in refused.content.decode()
    part = client.get(page, headers={"hx-request": "true"})
    assert (part.status_code, "<html" in part.content.decode()) == (429, False)
    assert client.get(api).status_code == 429
    assert client.get(photo.get_absolute_url()).status_code == 200, "to browse is free"
    assert client.post("/", {"image": picture()}, headers=SCRIPT).status_code == 201, "questions count for themselves"


def test_users_have_similar_photos_as_often_as_they_like(admin_client, settings):
    settings.LOCATE_RATE = "1/day"
    page = reverse("photo-similar", args=[collection.add_photo(jpeg(1)).uuid])
    assert [admin_client.get(page).status_code for _ in range(3)] == [200] * 3
