"""What the pages say."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from django.utils import translation

from photos import queues
from photos.vision.errors import ImageRefused
from search.line import Line
from search.models import SearchRequest
from search.parameters import read_parameters, tell_parameters
from search.telling import REFUSALS, percent, tell, tell_line, tell_refusal, tell_stages
from search.types import STAGES

REQUEST = SearchRequest(width=400, height=300)


def verification(level, fundamental=0, homography=0, p_same=0.0):
    inliers = {"fundamental_inliers": fundamental, "homography_inliers": homography}
    return {"level": level, "p_same": p_same, "points": [], **inliers}


def match(**fields):
    return {
        "photo": "x",
        "similarity": 0.7,
        "segments": [],
        "verification": None,
        "latitude": None,
        "longitude": None,
        **fields,
    }


def told(**fields):
    return tell({"location": None, "alternatives": [], "sources": [], "matches": [match(**fields)]})["matches"][0]


@pytest.mark.parametrize(("share", "shown"), [(1.0, 99), (0.999, 99), (0.0, 0), (-0.2, 0), (0.505, 50), (0.98, 98)])
def test_nothing_is_certain(share, shown):
    assert percent(share) == shown


def test_each_level_of_verification_is_told_for_what_it_is():
    confirmed = told(verification=verification("confirmed", 120, 40, 1.0))
    assert confirmed["agreeing"] == 120
    assert "same place, 99 times out of 100" in confirmed["why"][-1]
    assert "too few to be sure" in told(verification=verification("possible", 19, 3, 0.1))["why"][-1]
    none = told(verification=verification("none", 9, 8, 0.0))
    assert none["agreeing"] == 0, "what chance brings about is no agreement"
    assert "not the same place" in none["why"][-1]
    assert told()["why"] == []


def test_segments_are_counted_and_averaged():
    pairs = [{"similarity": 0.9}, {"similarity": 0.7}]
    assert "2 segments of your photo find their like in it, on average 80 % alike." in told(segments=pairs)["why"]
    assert "1 segment of your photo finds its like in it, 90 % alike." in told(segments=pairs[:1])["why"]


def test_every_refusal_says_what_to_do():
    for code in REFUSALS:
        sentence = tell_refusal(ImageRefused("technical", code=code), max_mib=16)
        assert sentence != "technical"
        assert sentence.endswith(".")
    assert "16 MiB" in tell_refusal(ImageRefused("technical", code="too-large"), max_mib=16)


def test_the_line_is_told_only_where_there_is_something_to_say():
    assert tell_line(Line()) == tell_line(Line(position=1)) == ""
    assert "number 3 in line" in tell_line(Line(position=3))
    assert "none is running" in tell_line(Line(position=1, trouble="no-worker"))
    assert "does not answer" in tell_line(Line(position=2, trouble="no-queue"))
    assert "longer than usual" in tell_line(Line(trouble="busy"))


def test_without_redis_nobody_can_say_whether_there_is_a_worker(monkeypatch):
    def refuse(*_args, **_options):
        raise ConnectionError("refused")

    monkeypatch.setattr("photos.queues.Worker.all", refuse)
    assert queues.is_worked("interactive") is None


def test_stages_are_done_now_or_to_come():
    assert [stage["status"] for stage in tell_stages("describing")] == ["done", "done", "now", "", "", ""]
    assert {stage["status"] for stage in tell_stages("waiting")} == {""}
    assert len(tell_stages("")) == len(STAGES)


# --- what is asked beside the picture ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "asked"),
    [
        ("", {}),
        ("segment=3", {"segment": 3, "mode": "object"}),
        ("segment=box&box_x=390&box_y=0&box_width=50&box_height=50", {}),  # only 10 pixels of it are in the picture
        ("segment=box&box_x=-1&box_y=0&box_width=50&box_height=50", {}),
        ("segment=&box_x=0&box_y=0&box_width=50&box_height=50", {}),  # drawn, but the whole photo was chosen
        ("tags=a, b ,,a&tags_any=1", {"tags": ["a", "b"], "tags_any": True}),
        ("taken_from=2020-02-30&taken_until=2020-02-03", {"filters": {"taken_until": "2020-02-03"}}),
        ("area=170,10,-170,20", {"filters": {"bbox": [170.0, 10.0, -170.0, 20.0]}}),
        ("area=-190,10,-170,20", {"filters": {"bbox": [170.0, 10.0, -170.0, 20.0]}}),
        ("area=nan,10,20,20", {}),
        ("area=1,20,2,10", {}),
    ],
)
def test_a_form_is_read(form, asked):
    assert read_parameters(QueryDict(form), REQUEST) == asked


def test_a_question_is_told_in_a_few_words():
    asked = {"segment": 0, "text": "at night", "tags": ["gate"], "filters": {"taken_from": "2020-02-03", "bbox": [1]}}
    with translation.override("en"):
        words = tell_parameters(asked)
    assert words == "segment 1 · “at night” · tag gate · since 02/03/2020 · in an area of the map"
    assert tell_parameters({}) == ""
