"""Calibrating from the accuracy page: proposed by the workers, decided on by a curator, and taken back."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from django.core.management import call_command

from photos.models import EmbeddingSpace, Photo
from search.calibration import SHIPPED_PRIOR, read_prior
from search.evaluation import background, calibrating
from search.evaluation.fitting import fit_prior
from search.evaluation.localisation_run import MeasurementStoppedError, continue_report, start_report, stop_report
from search.models import Audience, Calibration, EvaluationReport, EvaluationTrial
from tests.search.gallery import add_photo, make_space
from tests.search.test_accuracy import fill
from tests.search.test_accuracy import space as space
from tests.search.test_accuracy import synthetic as synthetic

pytestmark = pytest.mark.django_db
AXES = np.eye(16)


@pytest.fixture
def proposed(space, synthetic):
    """A calibration whose trials are made up, finished by a worker."""
    report = background.request_calibration(space)
    fill(report, *synthetic)
    assert background.run_slice(report.pk)
    report.refresh_from_db()
    return report


def read(client):
    response = client.get("/accuracy/")
    assert response.status_code == 200
    return response.content.decode()


def decide(client, report, decision):
    data = {"report": report.pk, "decision": decision}
    return client.post("/accuracy/calibration/decide/", data, follow=True).content.decode()


def take_back(client):
    """Press the button that the page shows."""
    form = {"newest": client.get("/accuracy/").context["calibration"]["newest"].pk}
    return client.post("/accuracy/calibration/take-back/", form, follow=True).content.decode()


def test_a_curator_calibrates_decides_and_takes_back(curator_client, space, synthetic):
    assert "In use: the shipped values" in read(curator_client)
    assert curator_client.post("/accuracy/calibration/", {"space": space.slug}).status_code == 302
    assert "Calibrating made-up: 0 of 120 questions" in read(curator_client)
    report = EvaluationReport.objects.get()
    assert (report.purpose, report.audience) == ("calibration", Audience.EVERYONE)
    fill(report, *synthetic)
    assert background.run_slice(report.pk)
    page = read(curator_client)
    assert "nothing is changed yet" in page
    assert "of the places that are not here are refused" in page
    assert read_prior(space.slug) == SHIPPED_PRIOR
    page = decide(curator_client, report, "keep")
    assert "In use: values fitted to 60 photos" in page
    assert "(eve)" in page
    assert "nothing is changed yet" not in page
    fitted = read_prior(space.slug)
    assert fitted.fitted_on == 60
    assert fitted.same_place != SHIPPED_PRIOR.same_place
    page = take_back(curator_client)
    assert "In use: the shipped values" in page
    assert re.search("Back to the values of .*, fitted to 60 photos", page)
    assert read_prior(space.slug) == SHIPPED_PRIOR
    take_back(curator_client)
    assert read_prior(space.slug) == fitted
    assert set(Calibration.objects.values_list("set_by__username", flat=True)) == {"eve"}


def test_taking_back_brings_the_calibration_before(curator_client, space, proposed):
    calibrating.keep(proposed)
    first = read_prior(space.slug)
    fit = {**proposed.fit, "after": {**proposed.fit["after"]}, "trials": 77}
    fit["after"]["prior"] = {**fit["after"]["prior"], "threshold": 0.99}
    EvaluationReport.objects.filter(pk=proposed.pk).update(fit=fit)
    calibrating.keep(proposed)
    assert read_prior(space.slug) == replace(first, threshold=0.99, fitted_on=77)
    assert re.search("Back to the values of .*, fitted to 60 photos", read(curator_client))
    take_back(curator_client)
    assert read_prior(space.slug) == first


def test_a_dropped_proposal_changes_nothing(curator_client, space, proposed):
    page = decide(curator_client, proposed, "drop")
    assert "the values in use stay" in page
    assert "nothing is changed yet" not in page
    assert read_prior(space.slug) == SHIPPED_PRIOR


def test_a_proposal_is_decided_on_once(curator_client, space, proposed):
    decide(curator_client, proposed, "keep")
    assert "decided on already" in decide(curator_client, proposed, "keep")
    assert Calibration.objects.count() == 2


def test_nothing_can_be_taken_back_from_the_shipped_values(curator_client, space):
    assert "take-back" not in read(curator_client)


def test_values_are_taken_back_once(curator_client, space, proposed):
    """A form sent twice, or by two curators, does not bring back what it took back."""
    calibrating.keep(proposed)
    form = {"newest": Calibration.objects.get(kind="same-place").pk}
    first, second = (
        curator_client.post("/accuracy/calibration/take-back/", form, follow=True).content.decode() for _ in range(2)
    )
    assert "The former values are in use again" in first
    assert "changed meanwhile" in second
    assert read_prior(space.slug) == SHIPPED_PRIOR


def test_shipped_values_that_are_back_are_those_of_this_version(space, proposed):
    calibrating.keep(proposed)
    calibrating.take_back(Calibration.objects.get(kind="same-place"))
    assert list(Calibration.objects.filter(n=0).values_list("parameters", flat=True)) == [{}, {}]


def test_a_proposal_tells_that_other_values_came_into_use(curator_client, space, proposed):
    assert "are in use by now" not in read(curator_client)
    Calibration.objects.create(
        space=space, kind="radius", n=50, parameters={"radii_m": {"several": 33.0, "strong": 90.0, "single": 400.0}}
    )
    assert "are in use by now" in read(curator_client)


def test_dropping_leaves_what_came_later(curator_client, space, proposed, synthetic):
    later = background.request_calibration(space)
    fill(later, *synthetic)
    background.run_slice(later.pk)
    decide(curator_client, proposed, "drop")
    assert calibrating.newest_proposal(space) == later


def test_under_fifty_photos_the_page_says_what_it_takes(curator_client, space):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    page = read(curator_client)
    assert "Calibrating takes 50 public photos at public places; 1 are described in this space." in page
    assert "calibration-start" not in page
    assert 'action="/accuracy/calibration/"' not in page


def test_a_collection_that_has_grown_is_told_so(curator_client, space, proposed):
    calibrating.keep(proposed)
    assert "calibrating again pays" not in read(curator_client)
    Calibration.objects.update(n=40)
    assert "There are 60 now: calibrating again pays." in read(curator_client)


@pytest.mark.parametrize(
    "change",
    [
        None,
        {"visibility": "private"},
        {"location_visibility": "hidden"},
        {"location_visibility": "approximate"},
        {"latitude": 40.0},
        {"latitude": None, "longitude": None, "location_source": ""},
    ],
)
def test_photos_that_go_or_are_moved_or_hidden_meanwhile_teach_nothing(curator_client, space, synthetic, change):
    report = background.request_calibration(space)
    fill(report, *synthetic)
    some = Photo.objects.filter(pk__in=list(Photo.objects.order_by("pk").values_list("pk", flat=True)[:20]))
    some.delete() if change is None else some.update(**change)
    assert background.run_slice(report.pk)
    assert "40 photos with known places teach too little; 50 are needed" in read(curator_client)
    assert read_prior(space.slug) == SHIPPED_PRIOR
    report.refresh_from_db()
    page = decide(curator_client, report, "drop")
    assert "teach too little" not in page


def test_what_private_photos_said_is_no_evidence(space, synthetic):
    report = background.request_calibration(space)
    fill(report, *synthetic)
    hidden = Photo.objects.order_by("pk")[:5]
    Photo.objects.filter(pk__in=[photo.pk for photo in hidden]).update(visibility="private")
    trials = calibrating._still_public(report)
    assert len(trials) == 110
    assert not {one.photo_id for trial in trials for one in trial.sightings} & {photo.pk for photo in hidden}


def test_a_photo_without_a_place_by_now_is_not_asked_for(space):
    photos = [add_photo(space, AXES[number], latitude=41.0, longitude=-40.0) for number in range(3)]
    report = start_report(space)
    Photo.objects.filter(pk=photos[0].pk).update(latitude=None, longitude=None, location_source="")
    assert continue_report(report)
    assert (report.results or {})["n"] == 2


def test_without_a_space_the_page_is_there(curator_client, space):
    EmbeddingSpace.objects.all().delete()
    assert "Not measured yet" in read(curator_client)


def test_the_space_in_use_is_calibrated_though_another_was_measured(curator_client, space):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    background.run_slice(background.request_report(space).pk)
    EmbeddingSpace.objects.update(state="building")
    new = make_space("new")
    response = curator_client.get("/accuracy/")
    assert response.context["calibration"]["space"] == new
    assert "Measure now" in response.content.decode()
    response = curator_client.get("/accuracy/?space=new")
    assert response.context["calibration"]["space"] == new
    assert "Not measured yet" in response.content.decode()
    EmbeddingSpace.objects.filter(pk=space.pk).update(state="retired")
    response = curator_client.get(f"/accuracy/?space={space.slug}")
    assert "calibration" not in response.context
    curator_client.logout()
    assert curator_client.get("/accuracy/?space=new").status_code == 404


def test_visitors_neither_see_nor_do_it(client, space, proposed):
    assert 'id="calibration"' not in read(client)
    for url in ("", "decide/", "take-back/"):
        assert client.post(f"/accuracy/calibration/{url}", {"space": space.slug}).status_code == 403
    assert client.post("/accuracy/stop/", {"report": proposed.pk}).status_code == 403
    assert not Calibration.objects.exists()


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("", {"space": "no-such"}),
        ("take-back/", {}),
        ("take-back/", {"newest": "1"}),
        ("decide/", {"report": "x"}),
        ("decide/", {"report": "9" * 30}),
    ],
)
def test_what_is_not_there_is_not_found(curator_client, space, url, data):
    assert curator_client.post(f"/accuracy/calibration/{url}", data).status_code == 404


def test_the_command_leaves_its_proposal_to_the_page(curator_client, space, synthetic, capsys):
    report = start_report(space, purpose="calibration", audience=Audience.EVERYONE, limit=calibrating.TRIALS_LIMIT)
    fill(report, *synthetic)
    call_command("calibrate", dry_run=True, verbosity=0)
    assert "the accuracy page offers it" in capsys.readouterr().out
    decide(curator_client, report, "keep")
    assert read_prior(space.slug).fitted_on == 60


# --- stopping -------------------------------------------------------------------------------------------


def test_a_measurement_is_stopped_and_leaves_nothing(curator_client, space):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    report = background.request_report(space)
    assert "Stop" in read(curator_client)
    page = curator_client.post("/accuracy/stop/", {"report": report.pk}, follow=True).content.decode()
    assert "nothing of it was kept" in page
    assert "Measure now" in page
    assert not background.run_slice(report.pk)
    assert not EvaluationTrial.objects.exists()


def test_a_worker_at_it_notices(space):
    for number in range(3):
        add_photo(space, AXES[number], latitude=41.0, longitude=-40.0)
    report = start_report(space)
    done = []
    with pytest.raises(MeasurementStoppedError):
        continue_report(report, progress=lambda _: done.append(stop_report(report.pk)))
    assert done == [True]
    assert not EvaluationReport.objects.exists()


def test_one_that_is_stopped_at_the_last_moment_is_not_finished(space):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    report = start_report(space)
    with pytest.raises(MeasurementStoppedError):
        continue_report(report, progress=lambda _: stop_report(report.pk))
    assert not EvaluationReport.objects.exists()


def test_one_that_is_stopped_during_its_fit_leaves_nothing(space, synthetic, monkeypatch):
    report = background.request_calibration(space)
    fill(report, *synthetic)
    monkeypatch.setattr(calibrating, "fit_prior", lambda trials: (stop_report(report.pk), fit_prior(trials))[1])
    assert not background.run_slice(report.pk)
    assert not EvaluationReport.objects.exists()


def test_a_fit_that_breaks_is_told_and_not_tried_for_ever(curator_client, space, synthetic, monkeypatch):
    report = background.request_calibration(space)
    fill(report, *synthetic)

    def fail(_trials):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(calibrating, "fit_prior", fail)
    with pytest.raises(ZeroDivisionError):
        background.run_slice(report.pk)
    page = read(curator_client)
    assert "ZeroDivisionError: no such luck" in page
    assert "Calibrate</button>" in page
    assert background.requeue() == 0


def test_a_measurement_that_breaks_is_told(curator_client, space, monkeypatch):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    report = background.request_report(space)

    def fail(_report):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setitem(background._FINISH, "accuracy", fail)
    with pytest.raises(ZeroDivisionError):
        background.run_slice(report.pk)
    assert "The last measurement failed: ZeroDivisionError" in read(curator_client)


def test_what_took_long_is_worked_out_by_a_job_of_its_own(space):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    report = start_report(space)
    assert not continue_report(report, limit_s=1e-9)
    assert continue_report(report, limit_s=60.0)


def test_beginning_anew_gives_up_what_is_under_way(space, synthetic):
    report = start_report(space, purpose="calibration", audience=Audience.EVERYONE)
    call_command("calibrate", fresh=True, verbosity=0, limit=50)
    assert not EvaluationReport.objects.filter(pk=report.pk).exists()


def test_a_photo_that_goes_meanwhile_stops_nothing(space):
    photos = [add_photo(space, AXES[number], latitude=41.0, longitude=-40.0) for number in range(3)]
    report = start_report(space)
    assert continue_report(report, progress=lambda _: Photo.objects.filter(pk=photos[1].pk).delete())
    assert (report.results or {})["n"] == 2


def test_a_finished_report_cannot_be_stopped(curator_client, space, proposed):
    curator_client.post("/accuracy/stop/", {"report": proposed.pk})
    assert EvaluationReport.objects.filter(pk=proposed.pk).exists()
