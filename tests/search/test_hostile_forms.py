"""What no browser would send to a question's pages is refused or left out, and never breaks one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from photos.models import Photo
from search import requests
from search.models import SearchRequest
from tests.search.pictures import picture_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def question(client, town):
    picture = SimpleUploadedFile("where.jpg", picture_of(1, 5), content_type="image/jpeg")
    client.post("/", {"image": picture}, headers={"accept": "application/json"})
    question = SearchRequest.objects.latest("pk")
    assert requests.run(question.pk)
    return question


@pytest.mark.parametrize(
    "form",
    [
        {"segment": "box", "box_x": "9" * 6, "box_y": "0", "box_width": "20", "box_height": "20"},
        {"area": "nan,0,1,1", "taken_from": "10000-01-01", "taken_until": "tomorrow"},
        {"area": "1e308,-10,-1e308,10", "taken_from": "0001-01-01", "taken_until": "9999-12-31"},
        {"area": "170,-10,-170,10"},
        {"segment": "999999"},
    ],
)
def test_odd_refinements_are_asked_or_left_out(client, question, form):
    response = client.post(reverse("locate-refine", args=[question.uuid]), form)
    assert response.status_code == 302
    refined = SearchRequest.objects.latest("pk")
    requests.run(refined.pk)
    assert client.get(reverse("locate-result", args=[refined.uuid])).status_code == 200


@pytest.mark.parametrize("name", ["locate-save", "locate-suggest"])
def test_odd_contributions_leave_nothing_behind(client, question, name):
    client.force_login(User.objects.create_user("ada"))
    for point in (("nan", "0"), ("inf", "0"), ("91", "0"), ("", "0"), ("", "")):
        form = {"latitude": point[0], "longitude": point[1], "visibility": "everyone"}
        assert client.post(reverse(name, args=[question.uuid]), form).status_code == 302
        question.refresh_from_db()
        assert question.saved_photo is None


@pytest.mark.parametrize("name", ["locate-refine", "locate-save", "locate-suggest", "locate-share"])
def test_a_nul_in_a_form_is_refused(client, question, name):
    client.force_login(User.objects.create_user("eve", is_staff=True))
    before = SearchRequest.objects.count()
    form = {"text": "gate\0", "latitude": "1", "longitude": "1", "title": "gate\0"}
    assert client.post(reverse(name, args=[question.uuid]), form).status_code == 400
    assert client.post("/", {"example": "gate\0"}).status_code == 400
    assert client.post("/accuracy/measure/", {"space": "gate\0"}).status_code == 400
    assert SearchRequest.objects.count() == before


@pytest.mark.parametrize(
    "body",
    [
        {"tags": ["\ud800"]},
        {"tags": ["gate"], "filters": {"polygon": "[" * 5000}},
        {"tags": ["gate"], "filters": {"polygon": [[0, 0]] * 5000}},
        {"tags": ["gate"], "filters": {"circle": [0, 0, -1]}},
        {"tags": ["gate"], "filters": {"bbox": [1e308, 0, -1e308, 1]}},
        {"tags": ["gate"], "filters": {"taken_from": "0001-01-01", "taken_until": "9999-12-31"}},
        {"tags": ["gate"], "filters": {"owner": 10**18}},
        {"tags": ["gate"], "cursor": "\ud800"},
        {"tags": ["gate"], "limit": 10**30},
        {"box": [0, 0, 10**300, 20]},
        {"filters": {"text": "a % _ ' \\ " * 10}},
    ],
)
def test_the_api_tells_what_is_wrong(client, town, body):
    response = client.post("/api/v1/search/", body, content_type="application/json")
    assert response.status_code in {200, 400}


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)])
def test_a_photo_from_the_end_of_time_can_be_asked_about(client, town, moment):
    owner = User.objects.create_user("ada")
    photo = Photo.objects.order_by("pk")[0]
    Photo.objects.filter(pk=photo.pk).update(taken_at=moment, owner=owner)
    client.force_login(owner)
    assert client.get(f"/photos/{photo.uuid}/similar/").status_code == 200
