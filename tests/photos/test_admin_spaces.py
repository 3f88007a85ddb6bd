"""Spaces, tags, questions and calibrations in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from photos.models.embedding import EmbeddingSpace, SpaceState
from photos.services.spaces import create_space
from photos.services.tagging import get_or_create_tag
from search import requests
from search.models import Calibration, CalibrationKind, SearchRequest
from tests.photos.pictures import jpeg

pytestmark = pytest.mark.django_db
SPACES = "/admin/photos/embeddingspace/"


@pytest.fixture
def client(space) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("cleo"))
    return client


def state_of(space: EmbeddingSpace) -> str:
    space.refresh_from_db()
    return str(space.state)


def act(client: Client, action: str, *spaces: EmbeddingSpace, **more: str):
    return client.post(SPACES, {"action": action, "_selected_action": [one.pk for one in spaces], **more})


def test_it_works(client, space, add, index):
    index(add(1))
    html = client.get(SPACES).content.decode()
    assert "classical-512" in html
    assert "1 of 1 photos, " in html
    form = client.get(reverse("admin:photos_embeddingspace_change", args=[space.pk])).content.decode()
    assert "&quot;dimensions&quot;: 512" in form
    assert '<input type="text"' not in form


def test_activating_is_confirmed_and_done(client, space):
    other = create_space("other", encoder="classical-512")
    asked = act(client, "activate", other)
    assert "Searches will use it" in asked.content.decode()
    assert state_of(other) == SpaceState.BUILDING
    act(client, "activate", other, confirmed="yes")
    assert (state_of(other), state_of(space)) == (SpaceState.ACTIVE, SpaceState.BUILDING)


def test_an_incomplete_space_is_not_activated(client, space, add):
    add(1)
    other = create_space("other", encoder="classical-512")
    response = client.post(
        SPACES, {"action": "activate", "_selected_action": [other.pk], "confirmed": "yes"}, follow=True
    )
    assert "not described" in response.content.decode()
    assert state_of(other) == SpaceState.BUILDING


def test_retiring_is_confirmed_and_done_but_never_to_the_active_one(client, space):
    other = create_space("other", encoder="classical-512")
    assert "dropped for good" in act(client, "retire", other).content.decode()
    act(client, "retire", other, confirmed="yes")
    act(client, "retire", space, confirmed="yes")
    assert (state_of(other), state_of(space)) == (SpaceState.RETIRED, SpaceState.ACTIVE)


def test_one_at_a_time(client, space):
    other = create_space("other", encoder="classical-512")
    act(client, "retire", other, space, confirmed="yes")
    assert (state_of(other), state_of(space)) == (SpaceState.BUILDING, SpaceState.ACTIVE)


def test_a_space_is_neither_typed_in_nor_deleted(client, space):
    assert client.get(f"{SPACES}add/").status_code == 403
    assert (
        client.post(reverse("admin:photos_embeddingspace_delete", args=[space.pk]), {"post": "yes"}).status_code == 403
    )
    client.post(reverse("admin:photos_embeddingspace_change", args=[space.pk]), {"slug": "mine", "state": "retired"})
    space.refresh_from_db()
    assert (space.slug, space.state) == ("classical-512", SpaceState.ACTIVE)


def test_tags_are_counted_and_found_by_their_first_letters(client, add):
    add(1, tags=["Old tower"])
    get_or_create_tag("unused")
    html = client.get("/admin/photos/tag/").content.decode()
    assert '<a href="/admin/photos/photo/?tag=old-tower">1</a>' in html
    found = client.get(
        "/admin/autocomplete/", {"term": "old", "app_label": "photos", "model_name": "photo", "field_name": "tags"}
    )
    assert [one["text"] for one in found.json()["results"]] == ["Old tower"]


def test_a_question_is_listed_without_what_was_asked(client):
    question = requests.submit(jpeg(1), viewer=None, original_name="secret-holiday.jpg", session_key="abc")
    requests.run(question.pk)
    question.refresh_from_db()
    assert question.state == "done"
    for address in ("/admin/search/searchrequest/", f"/admin/search/searchrequest/{question.pk}/change/"):
        html = client.get(address).content.decode()
        assert "locate" in html
        for secret in ("secret-holiday", str(question.image.name), str(question.uuid), "<img"):
            assert secret not in html
    assert client.post(f"/admin/search/searchrequest/{question.pk}/delete/", {"post": "yes"}).status_code == 403
    assert SearchRequest.objects.exists()


def test_calibrations_are_shown_only(client, space):
    calibration = Calibration.objects.create(
        space=space, kind=CalibrationKind.RADIUS, parameters={"levels": [1, 2]}, n=40
    )
    html = client.get(f"/admin/search/calibration/{calibration.pk}/change/").content.decode()
    assert "&quot;levels&quot;" in html
    assert client.get("/admin/search/calibration/add/").status_code == 403
