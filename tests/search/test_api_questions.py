"""Every kind of question, as a program asks it."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from drf_spectacular.generators import SchemaGenerator

from photos.filter_parameters import _READERS
from photos.models import Photo
from search import requests
from search.models import SearchRequest
from search.question import _NAMES
from tests.search.pictures import picture_of
from tests.search.test_api import LOCATE, SEARCH, upload, visitor

__all__ = ["visitor"]  # a fixture

pytestmark = pytest.mark.django_db


def post(client, address, **fields):
    """Ask with a form, work it out as the worker does, and read the answer."""
    response = client.post(address, {"wait": 0, **fields})
    assert response.status_code == 202, response.json()
    requests.run(SearchRequest.objects.get(uuid=response.json()["id"]).pk)
    return client.get(response["Location"]).json()


def photos_of(answer):
    return [match["photo"] for match in answer["matches"]]


def test_a_form_may_ask_for_a_part_with_filters(visitor, town):
    place = {"circle": [52.5, 13.4, 1000]}
    answer = post(
        visitor, LOCATE, image=upload(picture_of(2, 5)), box="0,0,400,300", mode="object", filters=json.dumps(place)
    )
    assert set(photos_of(answer)) == {str(photo.uuid) for photo in town.tower}
    assert answer["location"]["latitude"] == pytest.approx(52.5, abs=1e-3)
    asked = SearchRequest.objects.get().parameters
    assert asked == {"box": [0, 0, 400, 300], "mode": "object", "filters": {"circle": [52.5, 13.4, 1000.0]}}


@pytest.mark.parametrize("address", [SEARCH, LOCATE])
def test_json_asks_with_a_photo_of_the_collection(visitor, town, address):
    question = {"photo": str(town.gate[0].uuid), "segment": 0, "mode": "object", "limit": 2}
    response = visitor.post(address, question, format="json")
    body = response.json()
    assert response.status_code == 200
    assert photos_of(body)[0] == str(town.gate[1].uuid)
    assert len(body["matches"]) == 2
    assert 0 <= body["matches"][0]["segments"][0]["distinctiveness"] <= 1
    if address == LOCATE:
        assert (body["id"], body["state"]) == (None, "done")
        assert body["location"]["support"] == 1


def test_pages_go_on_to_the_end(visitor, town):
    question, seen = {"photo": str(town.gate[0].uuid), "limit": 3}, []
    while True:
        body = visitor.post(SEARCH, question, format="json").json()
        seen += photos_of(body)
        if body["next_cursor"] is None:
            break
        question["cursor"] = body["next_cursor"]
    assert len(seen) == len(set(seen)) == 4
    address = f"/api/v1/photos/{town.gate[0].uuid}/similar/"
    first = visitor.get(address, {"limit": 3}).json()
    assert photos_of(first) == seen[:3]
    assert photos_of(visitor.get(address, {"limit": 3, "cursor": first["next_cursor"]}).json()) == seen[3:]


def test_the_pages_of_a_kept_answer(visitor, town):
    answer = post(visitor, LOCATE, image=upload(picture_of(1, 5)), limit="2")
    assert len(answer["matches"]) == 2
    following = visitor.get(answer["url"], {"cursor": answer["next_cursor"]}).json()
    assert len(following["matches"]) == 2
    assert not set(photos_of(following)) & set(photos_of(answer))
    assert following["location"] == answer["location"]
    everything = visitor.get(answer["url"], {"limit": 50}).json()
    assert (len(everything["matches"]), everything["next_cursor"]) == (5, None)


@pytest.mark.parametrize(
    ("question", "field", "words"),
    [
        ({"tags": ["x"], "limit": 51}, "limit", "from 1 to 50"),
        ({"box": [0, 0, 3, 3], "text": "x"}, "box", "at least 16"),
        ({"filters": {"bbox": [0, 1]}}, "filters.bbox", "west, south, east, north"),
        ({"filters": {"bbox": [13, 56, 14, 55]}}, "filters.bbox", "south first"),
        ({"filters": {"circle": [52, 13, 0]}}, "filters.circle", "expected a radius of more than 0"),
        ({"filters": {"colour": "red"}}, "filters.colour", "one of text, bbox"),
        ({"filters": "{"}, "filters", "JSON object"),
        ({"tags": ["x"], "cursor": "xyz"}, "cursor", "no cursor of ours"),
        ({"text": "a gate"}, "text", "compares pictures only"),
        ({"tags": ["x"], "space": "other"}, "space", "only staff"),
        ({}, "", "nothing of them"),
    ],
)
def test_what_makes_no_sense_is_400_and_says_why(visitor, town, question, field, words):
    response = visitor.post(SEARCH, question, format="json")
    body = response.json()
    assert response.status_code == 400, body
    assert words in body["detail"]
    assert [error["field"] for error in body["errors"]] == [field]
    assert body["detail"].count(f"{field}: ") == (1 if field else 0)


def test_a_part_that_is_not_in_the_upload_is_unanswerable(visitor, town):
    answer = post(visitor, LOCATE, image=upload(picture_of(1, 5)), box="390,0,100,100")
    assert answer["state"] == "failed"
    assert "400 x 300" in answer["error"]


def test_a_private_photo_is_not_there_for_others(visitor, town):
    owner = User.objects.create_user("owner")
    Photo.objects.filter(pk=town.gate[0].pk).update(visibility="private", owner=owner)
    question = {"photo": str(town.gate[0].uuid)}
    assert visitor.post(SEARCH, question, format="json").status_code == 404
    visitor.force_authenticate(owner)
    assert visitor.post(SEARCH, question, format="json").status_code == 200


def test_the_schema_names_all_that_may_be_asked():
    schema = SchemaGenerator().get_schema(request=None, public=True)
    for name in ("SearchQuestion", "LocateQuestion"):
        described = schema["components"]["schemas"][f"{name}Request"]["properties"]
        assert set(described) == {"image", "cursor", "wait", *_NAMES}
        assert set(described["filters"]["properties"]) == set(_READERS)


@pytest.mark.parametrize("address", [SEARCH, LOCATE])
@pytest.mark.parametrize("by_upload", [False, True])
def test_whose_a_photo_is_concerns_its_owner_and_curators(visitor, town, address, by_upload):
    owner, other = User.objects.create_user("owner"), User.objects.create_user("other")
    curator = User.objects.create_user("curator", is_staff=True)
    Photo.objects.filter(pk=town.gate[0].pk).update(owner=owner)

    def ask(viewer):
        visitor.force_authenticate(viewer)
        if by_upload:
            asked = {"image": upload(picture_of(1, 5)), "filters": json.dumps({"owner": owner.pk}), "wait": "0"}
            return visitor.post(address, asked).status_code
        return visitor.post(address, {"filters": {"owner": owner.pk}}, format="json").status_code

    assert [ask(None), ask(other)] == [400, 400]
    assert {ask(owner), ask(curator)} <= {200, 202}


def test_a_stranger_is_told_why_the_owner_cannot_be_asked_for(visitor, town):
    told = visitor.post(SEARCH, {"filters": {"owner": 7}}, format="json").json()["detail"]
    assert told.startswith('filters.owner: expected "me" or your own id')
