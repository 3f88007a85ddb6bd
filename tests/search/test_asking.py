"""Every kind of question, asked of a small town with its real pictures."""

from __future__ import annotations

import uuid
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from django.contrib.auth.models import User

from photos.models import LocationProposal, Photo, PhotoTag, SegmentEmbedding, Tag
from photos.services.spaces import active_space, create_space
from photos.services.tagging import get_or_create_tag
from photos.vision import registry
from search.asking import ask, check_asker
from search.errors import QuestionError
from search.filtering import are_narrow
from search.question import Question
from search.questions import query_of_photo
from search.ranking import fuse_with_words
from search.types import Candidate, Filters
from tests.search.pictures import HEIGHT, WIDTH, draw_wall, encode, picture_of, view
from tests.search.town import index_picture

pytestmark = pytest.mark.django_db


def asked(parameters, *, picture=None, viewer=None):
    return ask(Question.from_parameters(parameters), viewer=viewer, picture=picture)


def ids(result):
    return [match.photo_id for match in result.matches]


def tag(photo, *names):
    for name in names:
        PhotoTag.objects.create(photo=photo, tag=Tag.objects.get_or_create(slug=name, defaults={"name": name})[0])


def gate_and_tower():
    """A picture whose left half shows the gate and whose right half the tower; each is 400 x 300."""
    return np.hstack([view(draw_wall(1), 5), view(draw_wall(2), 5)])


def test_an_upload(town):
    result = asked({"limit": 3}, picture=picture_of(1, 5))
    assert set(ids(result)[:2]) == {photo.pk for photo in town.gate}
    assert len(ids(result)) == 3
    assert result.location is not None


def test_a_stored_photo(town):
    result = asked({"photo": str(town.gate[0].uuid)})
    assert ids(result)[0] == town.gate[1].pk
    assert town.gate[0].pk not in ids(result)


def test_a_stored_photo_does_not_ask_with_the_name_of_its_place(town):
    """Whose picture is asked about, its recorded place must not find the others of that place."""
    photo, elsewhere = town.gate[0], town.tower[0]
    place = get_or_create_tag("Port Meridian", category="town", is_place=True)
    for one in (photo, elsewhere):
        PhotoTag.objects.create(photo=one, tag=place, source="automatic")
        tag(one, "arch")
    PhotoTag.objects.filter(tag__slug="arch").update(source="automatic")
    query = query_of_photo(photo, space=active_space(), filters=Filters())
    assert query is not None
    assert "arch" in query.tags
    assert "port-meridian" not in query.tags
    PhotoTag.objects.filter(tag__slug="arch").delete()
    assert {match.tag_overlap for match in asked({"photo": str(photo.uuid)}).matches} == {0.0}


@pytest.mark.parametrize(("left", "place"), [(0, "gate"), (WIDTH, "tower")])
def test_a_box_drawn_on_an_upload_is_all_that_counts(town, left, place):
    picture = encode(gate_and_tower())
    result = asked({"box": [left, 0, WIDTH, HEIGHT], "mode": "object"}, picture=picture)
    assert set(ids(result)[:2]) == {photo.pk for photo in getattr(town, place)}
    verification = result.matches[0].verification
    assert verification is not None
    assert verification.level == "confirmed"
    assert all(left - 1 <= x <= left + WIDTH and 0 <= y <= HEIGHT for x, y, _, _ in verification.points)
    box = result.matches[0].segment_matches[0].query_box
    assert box is not None
    assert left <= box[0] <= left + WIDTH


def test_a_box_on_a_large_upload_is_in_its_own_pixels(town):
    large = cv2.resize(gate_and_tower(), (3200, 1200), interpolation=cv2.INTER_CUBIC)
    result = asked({"box": [1600, 0, 1600, 1200], "mode": "object"}, picture=encode(large))
    assert set(ids(result)[:2]) == {photo.pk for photo in town.tower}
    assert result.matches[0].verification is not None
    assert max(point[0] for point in result.matches[0].verification.points) > 2000


def test_a_box_drawn_on_a_stored_photo(town):
    photo = index_picture(encode(gate_and_tower()))
    result = asked({"photo": str(photo.uuid), "box": [WIDTH, 0, WIDTH, HEIGHT], "mode": "object"})
    assert set(ids(result)[:2]) == {photo.pk for photo in town.tower}
    gone = {"photo": str(town.gate[0].uuid), "box": [40, 30, 320, 240]}  # the town's files are another test's
    with pytest.raises(QuestionError, match="photo: its picture is missing"):
        asked(gone)


def test_a_segment_of_a_stored_photo_and_of_an_upload(town):
    photo = town.gate[0]
    stored = asked({"photo": str(photo.uuid), "segment": 0, "mode": "object"})
    assert ids(stored)[0] == town.gate[1].pk
    assert [match.query_rank for match in stored.matches[0].segment_matches] == [0]
    (twin,) = Photo.objects.filter(pk=photo.pk)
    upload = asked({"segment": 0, "mode": "object"}, picture=picture_of(1, 0))
    assert ids(upload)[0] == twin.pk
    assert upload.matches[0].global_similarity == pytest.approx(1, abs=1e-3)  # the very same segment
    assert SegmentEmbedding.objects.filter(photo=photo, space=active_space(), rank=0).exists()


def test_an_object_is_found_in_a_picture_of_much_else(town):
    small = cv2.resize(view(draw_wall(2), 0), (200, 150), interpolation=cv2.INTER_AREA)
    result = asked({"mode": "object"}, picture=encode(small))
    assert ids(result)[0] == town.tower[0].pk


def test_tags_alone_any_or_all(town):
    tag(town.gate[0], "gate", "stone")
    tag(town.tower[0], "stone")
    result = asked({"tags": ["gate", "Stone"], "tags_any": True})
    assert ids(result) == [town.gate[0].pk, town.tower[0].pk]
    assert [match.tag_overlap for match in result.matches] == [1.0, 0.5]
    assert ids(asked({"tags": ["gate", "stone"]})) == [town.gate[0].pk]
    assert ids(asked({"tags": ["nothing"]})) == []


def test_a_picture_with_tags_and_filters(town):
    tag(town.tower[0], "stone")
    assert ids(asked({"tags": ["stone"]}, picture=picture_of(1, 5))) == [town.tower[0].pk]
    here = {"filters": {"circle": [52.5, 13.4, 1000]}}
    assert set(ids(asked(here, picture=picture_of(1, 5)))) == {photo.pk for photo in town.tower}
    assert set(ids(asked({"filters": {"has_location": False}}))) == {photo.pk for photo in town.unplaced}


def test_a_picture_with_any_of_several_tags_prefers_photos_with_more_of_them(town):
    """The gate's other photo is liker; of two that are as like, the one with both tags comes first."""
    tag(town.tower[0], "stone")
    tag(town.tower[1], "stone", "high")
    result = asked({"tags": ["Stone", "high"], "tags_any": True}, picture=picture_of(1, 5))
    assert {match.photo_id: match.tag_overlap for match in result.matches} == {
        town.tower[0].pk: 0.5,
        town.tower[1].pk: 1.0,
    }
    assert ids(result)[0] == town.tower[1].pk


QUESTIONS: dict[str, tuple[dict[str, Any], bool]] = {
    "upload": ({}, True),
    "box": ({"box": [20, 20, 200, 150], "mode": "object"}, True),
    "segment": ({"segment": 2}, True),
    "object": ({"mode": "object"}, True),
    "tags": ({"tags": ["stone", "high"], "tags_any": True}, False),
    "picture and tags": ({"tags": ["stone", "high"], "tags_any": True}, True),
    "circle": ({"filters": {"circle": [52.5, 13.4, 1000]}}, True),
    "placed": ({"filters": {"has_location": True}}, True),
    "stored": ({"photo": "another of the gate"}, False),
    "stored segment": ({"photo": "another of the gate", "segment": 1}, False),
    "stored box": ({"photo": "another of the gate", "box": [20, 20, 200, 150]}, False),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_one_may_not_see_changes_no_answer_of_any_kind(town, name):
    """Private photos: of what is asked for, here and elsewhere, and of another place, with the tags asked for."""
    parameters, with_picture = QUESTIONS[name]
    for photo in (*town.gate, *town.tower):
        tag(photo, "stone")
    given = dict(parameters)
    if "photo" in given:
        given["photo"] = str(index_picture(picture_of(1, 6)).uuid)
    picture = picture_of(1, 5) if with_picture else None
    before = replace(asked(given, picture=picture), timings_ms={})
    owner = User.objects.create_user("somebody")
    for number, place in ((2, (-12.0, 99.0)), (3, (52.5, 13.4)), (4, (41.0, 29.0))):
        hidden = index_picture(picture_of(1 + number % 2, number), latitude=place[0], longitude=place[1])
        tag(hidden, "stone", "high")
        Photo.objects.filter(pk=hidden.pk).update(visibility="private", owner=owner)
    assert replace(asked(given, picture=picture), timings_ms={}) == before
    assert before.matches


def test_a_question_without_filters_takes_the_way_of_one_that_narrows_nothing():
    plain = Question.from_parameters({"segment": 1})
    assert not are_narrow(Filters(collection=plain.all_filters(), exclude=(3,)))
    for narrow in ({"tags": ["gate"]}, {"filters": {"has_location": True}}, {"filters": {"circle": [52.5, 13.4, 9]}}):
        assert are_narrow(Filters(collection=Question.from_parameters(narrow).all_filters()))
    assert are_narrow(Filters(states=("ready",)))


def test_a_stored_photo_is_answered_with_what_its_record_and_its_proposals_say(town):
    photo = town.gate[0]
    curator = User.objects.create_user("cleo", is_staff=True)
    LocationProposal.objects.create(photo=photo, latitude=1.0, longitude=2.0, radius_m=50.0, source="visitor")
    asked_about = {"photo": str(photo.uuid)}
    assert [one.source for one in asked(asked_about, viewer=curator).sources] == ["record", "visual", "proposal"]
    assert [one.source for one in asked(asked_about).sources] == ["record", "visual"]
    Photo.objects.filter(pk=photo.pk).update(location_visibility="hidden")
    assert [one.source for one in asked(asked_about).sources] == ["visual"]


@pytest.mark.parametrize(
    ("parameters", "with_picture", "words"),
    [
        ({}, False, "nothing of them"),
        ({"mode": "object", "limit": 3}, False, "nothing of them"),
        ({"box": [0, 0, 50, 50]}, False, "box: there is no picture"),
        ({"box": [390, 0, 50, 50]}, True, "box: expected a part of the picture of 400 x 300"),
        ({"segment": 99}, True, "segment: expected one of 0, 1"),
        ({"text": "a stone gate"}, False, "text: the space 'classical-512' compares pictures only"),
        ({"text": "a stone gate"}, True, "text: the space 'classical-512' compares pictures only"),
        ({"space": "classical-512"}, True, "space: only staff"),
    ],
)
def test_it_rejects_what_cannot_be_asked(town, parameters, with_picture, words):
    with pytest.raises(QuestionError, match=words):
        asked(parameters, picture=picture_of(1, 5) if with_picture else None)


def test_staff_may_choose_a_space_that_there_is(town):
    curator = User.objects.create_user("curator", is_staff=True)
    result = asked({"space": "classical-512"}, picture=picture_of(1, 5), viewer=curator)
    assert result.space == "classical-512"
    with pytest.raises(QuestionError, match="expected one of classical-512"):
        asked({"space": "clip"}, picture=picture_of(1, 5), viewer=curator)


def test_a_half_built_space_is_searched_by_nobody(town):
    curator = User.objects.create_user("curator", is_staff=True)
    other = create_space("other", encoder="classical-512")
    with pytest.raises(QuestionError, match="space: 5 photos are not described in 'other' yet"):
        asked({"space": "other"}, picture=picture_of(1, 5), viewer=curator)
    with pytest.raises(QuestionError, match="space: 5 photos"):
        check_asker(Question(space="other"), viewer=curator)  # before an upload is kept and queued
    Photo.objects.update(indexed_at=other.created_at)
    Photo.objects.filter(pk=town.gate[0].pk).update(state="pending")  # it was here before the space
    with pytest.raises(QuestionError, match="space: 1 photos"):
        asked({"space": "other"}, picture=picture_of(1, 5), viewer=curator)
    Photo.objects.update(state="ready")
    assert asked({"space": "other"}, picture=picture_of(1, 5), viewer=curator).space == "other"


def test_a_photo_that_the_viewer_may_not_see_is_not_there(town):
    owner = User.objects.create_user("owner")
    Photo.objects.filter(pk=town.gate[0].pk).update(visibility="private", owner=owner)
    parameters = {"photo": str(town.gate[0].uuid)}
    with pytest.raises(Photo.DoesNotExist):
        asked(parameters)
    with pytest.raises(Photo.DoesNotExist):
        asked({"photo": str(uuid.uuid4())})
    assert ids(asked(parameters, viewer=owner))


class SpokenEncoder:
    """The classical encoder, which knows one word: "tower" means what the photo of the tower shows."""

    def __init__(self, vector):
        self._vector = vector

    def __getattr__(self, name):
        return getattr(registry.get_encoder("classical-512"), name)

    def encode_text(self, texts):
        assert list(texts) == ["tower"]
        return np.stack([np.asarray(self._vector, np.float32)])


@pytest.fixture
def spoken(town, monkeypatch):
    """The town's space, with a text tower."""
    speaking = SpokenEncoder(town.tower[0].embeddings.get().vector)
    towers = SimpleNamespace(get_spec=lambda _: SimpleNamespace(has_text=True))
    monkeypatch.setattr("search.asking.registry", towers)
    monkeypatch.setattr("search.asking.availability", SimpleNamespace(load_encoder=lambda _: speaking))


def test_words_alone_and_with_a_picture(town, spoken):
    assert ids(asked({"text": "tower"}))[0] == town.tower[0].pk
    mixed = encode(gate_and_tower())
    plain, fused = asked({}, picture=mixed), asked({"text": "tower"}, picture=mixed)
    assert fused.matches[0].photo_id in {photo.pk for photo in town.tower}
    tower = town.tower[0].pk
    found = [{match.photo_id: match.similarity for match in one.matches} for one in (plain, fused)]
    assert found[1][tower] == pytest.approx(0.5 * found[0][tower] + 0.5)


def test_late_fusion_by_hand():
    pictured = [Candidate(1, 0.8, 0.8), Candidate(2, 0.6, 0.6)]
    worded = [Candidate(3, 0.30, 0.3), Candidate(2, 0.25, 0.2), Candidate(4, 0.20, 0.2)]
    fused = fuse_with_words(pictured, worded, share=0.5)
    assert [(one.photo_id, round(one.similarity, 3)) for one in fused] == [(3, 0.8), (2, 0.55), (1, 0.4), (4, 0.3)]
    assert fuse_with_words(pictured, [], share=0.5)[0].photo_id == 1
    assert fuse_with_words([], worded, share=0.5)[0].photo_id == 3
