"""Reading questions: everything that may be asked, and clear words for everything else."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photos.areas import BoundingBox, Circle, Polygon
from photos.filter_parameters import InvalidParameterError, read_filters, tell_filters
from photos.filters import PhotoFilters
from search.question import Question

PHOTO = uuid.UUID("6f1d6f2e-0d4d-4a57-9a6e-0f2f5a7c1b11")
EVERYTHING: dict[str, Any] = {
    "photo": str(PHOTO),
    "box": [10, 20, 300, 200],
    "text": "a stone gate",
    "tags": ["gate", "tower"],
    "tags_any": True,
    "mode": "object",
    "filters": {
        "bbox": [26.5, 36.0, 30.9, 39.2],
        "polygon": [[26, 36], [31, 36], [30, 40]],
        "circle": [36.9, 30.7, 500],
        "taken_from": "2020-05-01",
        "taken_until": "2020-05-31T12:00:00Z",
        "owner": "me",
        "state": "ready",
        "visibility": "public",
        "has_location": True,
        "text": "harbour",
    },
    "limit": 50,
    "space": "classical-512",
}


def test_it_works():
    question = Question.from_parameters(EVERYTHING)
    assert question.photo == PHOTO
    assert question.box == (10, 20, 300, 200)
    assert (question.tags, question.tags_any, question.mode, question.limit) == (("gate", "tower"), True, "object", 50)
    assert question.filters.box == BoundingBox(26.5, 36.0, 30.9, 39.2)
    assert question.filters.polygon == Polygon(((26.0, 36.0), (31.0, 36.0), (30.0, 40.0)))
    assert question.filters.circle == Circle(36.9, 30.7, 500)
    assert question.filters.taken_from == datetime(2020, 5, 1, tzinfo=UTC)
    assert question.all_filters().any_tag
    assert Question.from_parameters(question.to_parameters()) == question


def test_nothing_is_a_question_too():
    assert Question.from_parameters({"box": None, "text": "", "tags": [], "filters": {}}) == Question()
    assert Question().to_parameters() == {}


def test_a_form_says_the_same_in_texts():
    texts = {"bbox": "26.5,36,30.9,39.2", "circle": "36.9, 30.7, 500", "polygon": "[[26,36],[31,36],[30,40]]"}
    texts |= {"tags": "gate, tower", "tags_any": "on", "owner": "7", "has_location": "no"}
    expected = PhotoFilters(
        box=BoundingBox(26.5, 36, 30.9, 39.2),
        circle=Circle(36.9, 30.7, 500),
        polygon=Polygon(((26.0, 36.0), (31.0, 36.0), (30.0, 40.0))),
        tags=("gate", "tower"),
        any_tag=True,
        owner=7,
        has_location=False,
    )
    assert read_filters(texts) == expected
    assert read_filters({**texts, "bbox": "[26.5, 36, 30.9, 39.2]"}) == expected
    assert read_filters(tell_filters(expected)) == expected


def test_a_day_is_meant_whole():
    read = read_filters({"taken_from": "2020-05-31", "taken_until": "2020-05-31"})
    assert read.taken_from == datetime(2020, 5, 31, tzinfo=UTC)
    assert read.taken_until == datetime(2020, 5, 31, 23, 59, 59, 999999, tzinfo=UTC)


def test_a_day_is_that_of_the_site(settings):
    """A photo of one o'clock at night in Istanbul was taken on that day, though it was the day before in UTC."""
    settings.TIME_ZONE = "Europe/Istanbul"
    read = read_filters({"taken_from": "2020-05-31", "taken_until": "2020-05-31T01:00"})
    assert read.taken_from == datetime(2020, 5, 30, 21, tzinfo=UTC)
    assert read.taken_until == datetime(2020, 5, 30, 22, tzinfo=UTC)
    assert read_filters(tell_filters(read)) == read


@pytest.mark.parametrize(
    ("given", "name", "allowed"),
    [
        ({"photo": "gate.jpg"}, "photo", "id of a photo"),
        ({"box": [0, 0, 10, 100]}, "box", "at least 16"),
        ({"box": [0, 0, 100.5, 100]}, "box", "whole pixels"),
        ({"box": "0,0,100"}, "box", "whole pixels"),
        ({"segment": -1}, "segment", "from 0"),
        ({"segment": True}, "segment", "from 0"),
        ({"segment": 1, "box": [0, 0, 100, 100]}, "segment", "not both"),
        ({"text": "x" * 201}, "text", "200 characters"),
        ({"text": "a\0b"}, "text", "200 characters"),
        ({"tags": 5}, "tags", "list of names"),
        ({"tags": ["x"] * 3 + [str(n) for n in range(30)]}, "tags", "at most 20"),
        ({"tags": ["a"], "filters": {"tags": ["b"]}}, "filters.tags", "one place"),
        ({"tags_any": ["a"]}, "tags_any", "true or false"),
        ({"mode": "psychic"}, "mode", "similar, object"),
        ({"limit": 51}, "limit", "from 1 to 50"),
        ({"limit": "9" * 5000}, "limit", "from 1 to 50"),
        ({"filters": ["x"]}, "filters", "an object"),
        ({"filters": {"bbox": [1, 2, 3]}}, "filters.bbox", "west, south, east, north"),
        ({"filters": {"bbox": [0, 50, 10, 40]}}, "filters.bbox", "-90 to 90"),
        ({"filters": {"bbox": ["a", 0, 1, 2]}}, "filters.bbox", "west"),
        ({"filters": {"bbox": [float("nan"), 0, 1, 2]}}, "filters.bbox", "west"),
        ({"filters": {"circle": [91, 0, 5]}}, "filters.circle", "-90 to 90"),
        ({"filters": {"circle": [0, 0, -5]}}, "filters.circle", "metres"),
        ({"filters": {"polygon": [[0, 0], [1, 1]]}}, "filters.polygon", "3 to 500"),
        ({"filters": {"polygon": "[[0,0"}}, "filters.polygon", "corners"),
        ({"filters": {"taken_from": "yesterday"}}, "filters.taken_from", "2020-05-31"),
        ({"filters": {"taken_from": "2020-13-01"}}, "filters.taken_from", "2020-05-31"),
        ({"filters": {"owner": "admin"}}, "filters.owner", "id"),
        ({"filters": {"state": "lost"}}, "filters.state", "pending"),
        ({"filters": {"visibility": "secret"}}, "filters.visibility", "public, private"),
        ({"filters": {"has_location": "perhaps"}}, "filters.has_location", "true or false"),
        ({"filters": {"colour": "red"}}, "filters.colour", "one of"),
        ({"pictures": 1}, "pictures", "one of photo, box"),
    ],
)
def test_it_rejects_with_the_name_the_value_and_what_is_allowed(given, name, allowed):
    with pytest.raises(InvalidParameterError) as caught:
        Question.from_parameters(given)
    assert caught.value.name == name
    assert str(caught.value).startswith(f"{name}: expected ")
    assert allowed in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(sorted(EVERYTHING)), anything),
    st.dictionaries(st.sampled_from(sorted(EVERYTHING["filters"])), anything),
)
def test_whatever_comes_is_read_or_refused(values, filters):
    try:
        question = Question.from_parameters({"filters": filters} | values)
    except InvalidParameterError:
        return
    assert Question.from_parameters(question.to_parameters()) == question
