"""The accuracy page: for everyone when there is a report, with a button for curators."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from django.contrib.auth.models import User

from photos.models import Photo
from search.charts import BOTTOM, HEIGHT, TOP, draw_columns, draw_lines, nice_top
from search.evaluation import background
from search.evaluation.accuracy import LEAST_GROUP
from search.models import EvaluationReport, ReportState
from search.services import VERIFIED
from search.telling_accuracy import percent
from tests.search.gallery import add_photo, make_space

pytestmark = pytest.mark.django_db
AXES = np.eye(16)


@pytest.fixture
def space():
    return make_space()


def measured(space, count=3):
    photos = [add_photo(space, AXES[number], latitude=41.0, longitude=-40.0, title="Gate") for number in range(count)]
    background.run_slice(background.request_report(space).pk)
    return photos


def read(client, url="/accuracy/"):
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_without_a_report_it_says_so(client, space):
    page = read(client)
    assert "Not measured yet" in page
    assert "Measure now" not in page


def test_curators_have_it_measured_and_see_how_far_it_is(curator_client, space):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    assert "Measure now" in read(curator_client)
    assert curator_client.post("/accuracy/measure/").status_code == 302
    page = read(curator_client)
    assert "0 of 1 questions" in page
    assert "Measure now" not in page
    background.run_slice(EvaluationReport.objects.get().pk)
    done = curator_client.get("/accuracy/progress/")
    assert done["HX-Refresh"] == "true"
    assert "Measure again" in read(curator_client)


def test_visitors_cannot_have_it_measured(client, space):
    assert client.post("/accuracy/measure/").status_code == 403
    assert client.get("/accuracy/progress/").status_code == 403
    assert client.get("/accuracy/measure/").status_code == 405


def test_a_half_built_space_is_not_measured(curator_client, space):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    make_space("other", state="building")
    page = curator_client.post("/accuracy/measure/", {"space": "other"}, follow=True).content.decode()
    assert "1 photos are not described in &#x27;other&#x27; yet" in page
    assert not EvaluationReport.objects.exists()


def test_nothing_to_measure_is_said(curator_client, space):
    page = curator_client.post("/accuracy/measure/", follow=True).content.decode()
    assert "no photo described in" in page


def test_the_page_shows_every_table_and_chart(client, space):
    measured(space)
    page = read(client)
    for words in ("How right are the answers?", "baseline", "R@10", "claim to do so 90 %"):
        assert words in page
    assert page.count('<svg class="chart"') == 3
    assert page.count("<table") >= 6
    assert "Measure again" not in page


def test_two_spaces_stand_side_by_side(client, space):
    other = make_space("other", state="building")
    measured(space)
    measured(other, 2)
    page = read(client, "/accuracy/?space=made-up&beside=other")
    assert page.count('<svg class="chart"') == 4
    assert "other: 2 photos" in page
    assert "made-up: 3 photos" in page
    told = client.get("/accuracy/report.json?space=made-up&beside=other").json()
    assert [one["space"] for one in told] == ["made-up", "other"]


@pytest.mark.parametrize("url", ["/accuracy/?space=nowhere", "/accuracy/report.json?beside=nowhere"])
def test_a_space_without_a_report_is_not_found(client, space, url):
    measured(space)
    assert client.get(url).status_code == 404


def test_the_json_holds_numbers_and_no_photo(client, space):
    photos = measured(space)
    response = client.get("/accuracy/report.json")
    assert "attachment" in response["Content-Disposition"]
    told = response.json()
    assert told["results"]["n"] == 3
    assert told["settings"]["verified"] == VERIFIED
    text = json.dumps(told)
    assert "-40.0" not in text
    assert str(photos[0].uuid) not in text


def test_there_is_no_json_before_a_report(client, space):
    assert client.get("/accuracy/report.json").status_code == 404


def test_a_failed_or_unfinished_report_is_not_shown(client, space):
    measured(space)
    EvaluationReport.objects.update(state=ReportState.FAILED)
    assert "Not measured yet" in read(client)


def test_a_private_photo_is_on_no_visitors_map(client, space):
    """Its place stands nowhere on the page, nor does its title."""
    photo = add_photo(space, AXES[0], latitude=12.3456, longitude=65.4321, title="Secret", visibility="private")
    other = add_photo(space, AXES[0], latitude=12.3456, longitude=65.4321, title="Open")
    report = background.request_report(space)
    background.run_slice(report.pk)
    outcome = {"answer": [12.3456, 65.4321], "radius_m": 60.0, "error_m": 1.0, "probability": 0.9, "is_held": True}
    for row in report.trials.all():
        rests_on = [photo.pk] if row.photo_id == other.pk else [other.pk]
        row.record = {**(row.record or {}), "outcome": outcome | {"rests_on": rests_on}}
        row.save()
    page = read(client)
    assert "12.3456" not in page
    assert "Secret" not in page
    client.force_login(User.objects.create_user("eve", is_staff=True))
    page = read(client)
    assert "12.3456" in page
    assert "Secret" in page
    Photo.objects.filter(pk=photo.pk).update(visibility="public")
    client.logout()
    assert "Open" in read(client)


def test_a_file_name_is_on_no_visitors_page(client, space):
    """A file's own name may tell more than its owner means to."""
    photo = add_photo(space, AXES[0], latitude=12.3456, longitude=65.4321, original_name="doctor-smiths-garden.jpg")
    report = background.request_report(space)
    background.run_slice(report.pk)
    outcome = {"answer": [12.3456, 65.4321], "radius_m": 60.0, "error_m": 1.0, "probability": 0.9, "is_held": True}
    for row in report.trials.all():
        row.record = {**(row.record or {}), "outcome": outcome | {"rests_on": []}}
        row.save()
    page = read(client)
    assert str(photo.uuid) in page
    assert "doctor-smiths-garden" not in page
    assert "Untitled photo" in page


def test_visitors_are_told_of_no_group_that_tells_of_single_photos(client, space):
    """Nor of a tag that only private photos have."""
    moment = datetime(2020, 5, 1, tzinfo=UTC)
    for number in range(LEAST_GROUP):
        place = {"latitude": 41.0, "longitude": -40.0, "taken_at": moment}
        add_photo(space, AXES[number], tags=["arch"], **place)
        add_photo(space, AXES[number], tags=["villa-rosa"], visibility="private", **place)
    add_photo(space, AXES[9], latitude=41.0, longitude=-40.0, tags=["dome"], taken_at=moment.replace(year=1931))
    background.run_slice(background.request_report(space).pk)
    told = client.get("/accuracy/report.json").json()["results"]
    assert [one["name"] for one in told["by_tag"]] == ["arch"]
    assert [one["name"] for one in told["by_year"]] == ["2020"]
    page = read(client)
    assert "arch" in page
    assert not any(words in page for words in ("villa-rosa", "dome", "1931"))
    client.force_login(User.objects.create_user("eve", is_staff=True))
    told = client.get("/accuracy/report.json").json()["results"]
    assert {one["name"] for one in told["by_tag"]} == {"arch", "dome", "villa-rosa"}
    assert "villa-rosa" in read(client)


# --- charts ---------------------------------------------------------------------------------------------


def test_lines_span_the_plot():
    chart = draw_lines([("a", [(0.0, 0.0), (1.0, 1.0)])], x_ticks=[(0.0, "0"), (1.0, "1")], across=0.5)
    (left, low), (right, high) = chart.lines[0].dots
    assert (left, low) == (chart.left, chart.bottom)
    assert (right, high) == (chart.right, TOP)
    assert chart.across == (HEIGHT - BOTTOM + TOP) / 2


def test_an_empty_series_draws_no_line():
    assert draw_lines([("a", [])], x_ticks=[(0.0, "0"), (1.0, "1")]).lines == ()


def test_columns_are_stacked_to_scale():
    chart = draw_columns([("x", [("told", 3), ("kept-back", 1)]), ("y", [("told", 0), ("kept-back", 0)])])
    told, kept = chart.bars
    assert told.height == pytest.approx(3 * kept.height, abs=0.05)
    assert kept.y + kept.height == pytest.approx(told.y, abs=0.05)


def test_nothing_at_all_can_be_drawn():
    assert draw_columns([]).bars == ()
    assert nice_top([]) == 0.04
    assert nice_top([0.5, 0.03]) == 0.6


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "–"), (0.0, "0 %"), (1.0, "100 %"), (0.934, "93 %"), (0.993, "99.3 %"), (0.004, "0.4 %")],
)
def test_shares_in_words(share, words):
    assert percent(share) == words
