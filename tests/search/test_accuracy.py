"""Reports and calibrations on the database: what is kept, what is told, and to whom."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from photos import queues
from photos.models import EmbeddingSpace, Photo, PhotoTag, Tag
from photos.services import vocabulary
from photos.vision import registry
from search.calibration import SHIPPED_PRIOR, read_prior
from search.evaluation import accuracy, background, localisation_run
from search.evaluation.__main__ import main as compare_runs
from search.evaluation.calibrating import TRIALS_LIMIT
from search.evaluation.localisation import conclude_trial, from_record, outcome_to_record, to_record
from search.evaluation.localisation_run import finish_report, start_report
from search.evaluation.reporting import read_report
from search.evaluation.tag_cuts import f1_at
from search.models import Audience, Calibration, EvaluationReport, EvaluationTrial, ReportState
from tests.search.gallery import add_photo, make_space
from tests.search.synthetic import make_collection, make_trials

pytestmark = pytest.mark.django_db
AXES = np.eye(16)
WORDS = ("church", "bridge")


@pytest.fixture
def space():
    return make_space()


@pytest.fixture
def synthetic(space):
    """Sixty photos whose trials are made up: what matching would have said of them."""
    rng = np.random.default_rng(3)
    known = make_collection(rng, places=12, views=5)
    photos = [
        add_photo(space, AXES[number % 16], latitude=float(point[0]), longitude=float(point[1]))
        for number, point in enumerate(known.truth)
    ]
    trials = {(one.photo_id, one.is_absent): one for one in make_trials(rng, known)}
    trials |= {(one.photo_id, one.is_absent): one for one in make_trials(rng, known, absent=True)}
    return photos, trials


def fill(report, photos, trials):
    """Put made-up trials in the place of those that wait."""
    ids = [photo.pk for photo in photos]
    report.trials.all().delete()
    for (number, is_absent), trial in trials.items():
        record = to_record(trial) | {"photo_id": ids[number]}
        record["latitude"], record["longitude"] = photos[number].latitude, photos[number].longitude
        for one in record["sightings"]:
            one["photo_id"] = ids[one["photo_id"]]
        EvaluationTrial.objects.create(report=report, photo_id=ids[number], is_absent=is_absent, record=record)


@pytest.fixture
def report(space, synthetic):
    report = start_report(space, audience=Audience.EVERYONE)
    fill(report, *synthetic)
    finish_report(report)
    return report


# --- the map --------------------------------------------------------------------------------------------


def test_the_map_tells_what_was_answered_and_where_it_was(report):
    rows = accuracy.map_errors(report, viewer=None)
    assert len(rows) == report.results["answers"]["answered"] > 30
    worst = rows[0]
    trial = next(row for row in report.trials.filter(is_absent=False) if str(row.photo.uuid) == worst["photo"])
    outcome = conclude_trial(from_record(trial.record), SHIPPED_PRIOR)
    assert worst["error_m"] == pytest.approx(outcome.error_m, abs=0.1)
    assert worst["truth"] == [trial.photo.latitude, trial.photo.longitude]
    assert "rests_on" not in worst
    assert worst["error_m"] >= rows[-1]["error_m"]


@pytest.mark.parametrize("change", [{"visibility": "private"}, {"location_visibility": "hidden"}])
def test_nothing_on_the_map_rests_on_what_is_private_or_hidden(report, change):
    """Neither the photo itself nor an answer that it took part in, from the moment it is hidden."""
    rows = {row["photo"]: row for row in accuracy.map_errors(report, viewer=None)}
    trials = report.trials.filter(is_absent=False).select_related("photo")
    outcomes = {str(one.photo.uuid): (one.record["outcome"] or {"rests_on": []}) for one in trials}
    secret = Photo.objects.get(pk=outcomes[next(iter(rows))]["rests_on"][0])
    Photo.objects.filter(pk=secret.pk).update(**change)
    left = {row["photo"] for row in accuracy.map_errors(report, viewer=None)}
    expected = {name for name in rows if secret.pk not in outcomes[name]["rests_on"] and name != str(secret.uuid)}
    assert left == expected
    assert len(left) < len(rows)
    curator = User(is_staff=True)
    assert len(accuracy.map_errors(report, viewer=curator)) == len(rows)


def test_of_very_many_answers_the_worst_alone_are_read(report, monkeypatch):
    rows = accuracy.map_errors(report, viewer=None)
    monkeypatch.setattr(accuracy, "MOST_READ", 4)
    assert accuracy.map_errors(report, viewer=None) == rows[:4]


def test_a_photo_that_was_moved_since_is_off_the_map(report):
    before = accuracy.map_errors(report, viewer=None)
    Photo.objects.filter(uuid=before[0]["photo"]).update(latitude=0, longitude=0)
    assert len(accuracy.map_errors(report, viewer=None)) == len(before) - 1


def test_an_answer_is_kept_with_what_it_rests_on(report):
    row = report.trials.filter(is_absent=False).first()
    outcome = conclude_trial(from_record(row.record), SHIPPED_PRIOR)
    assert row.record["outcome"] == outcome_to_record(outcome, SHIPPED_PRIOR)


# --- having one made ------------------------------------------------------------------------------------


def test_a_report_is_made_by_the_workers_once(space, synthetic, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        first = background.request_report(space)
    assert background.request_report(space) == first
    progress = background.running_progress()
    assert progress is not None
    assert (progress.done, progress.percent) == (0, 0)
    assert progress.total >= 60
    assert background.requeue() == 0  # it is in the queue
    assert accuracy.newest_report(space) is None


def test_a_slice_finishes_what_is_short(space):
    for number in range(3):
        add_photo(space, AXES[number], latitude=41.0, longitude=-40.0)
    report = background.request_report(space)
    assert background.run_slice(report.pk)
    assert accuracy.newest_report(space) == report
    assert background.running_progress() is None
    assert not background.run_slice(report.pk)
    assert accuracy.measured_spaces() == [space]


def test_a_slice_leaves_a_measurement_to_who_is_at_it(space):
    """Ringing at once, a worker would do nothing else while `manage.py evaluate` runs."""
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    report = localisation_run.start_report(space)
    before = queues.waiting_ids("index", prefix=background.PREFIX)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [localisation_run._LOCK, report.pk])
        assert not background.run_slice(report.pk)
        with pytest.raises(CommandError, match="another process is at this measurement"):
            call_command("evaluate", verbosity=0)
    assert queues.waiting_ids("index", prefix=background.PREFIX) == before
    assert background.run_slice(report.pk)


def test_older_reports_keep_their_numbers_only(space):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    first, second = (start_report(space) for _ in range(2))
    for report in (first, second):
        background.run_slice(report.pk)
    assert not first.trials.exists()
    assert second.trials.exists()
    assert EvaluationReport.objects.get(pk=first.pk).results is not None


# --- the commands ---------------------------------------------------------------------------------------


def test_evaluate_prints_a_table_and_writes_json(space, tmp_path, capsys):
    for number in range(3):
        add_photo(space, AXES[number], latitude=41.0, longitude=-40.0)
    path = tmp_path / "report.json"
    call_command("evaluate", json=path, verbosity=0)
    printed = capsys.readouterr().out
    assert "R@1 at 25 m" in printed
    told = json.loads(path.read_text())
    assert (told["space"], told["results"]["n"]) == ("made-up", 3)
    assert told["results"]["recall"]["25"]["at_1"] == 1.0
    assert re.fullmatch(r"\S+\+[0-9a-f]{12}", told["code_version"])
    assert told["settings"]["prior"]["fitted_on"] == 0


def test_evaluate_goes_on_with_a_run_as_it_was_begun_only(space, capsys):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    report = start_report(space)
    with pytest.raises(CommandError, match=r"a run with limit 500, absent_m 200\.0 is under way"):
        call_command("evaluate", absent_m=1000.0, verbosity=0)
    call_command("evaluate", verbosity=0)
    assert EvaluationReport.objects.get() == report
    call_command("evaluate", absent_m=1000.0, fresh=True, verbosity=0)
    assert EvaluationReport.objects.latest("pk").settings["absent_m"] == 1000.0


def test_evaluate_puts_two_spaces_side_by_side(space, capsys):
    other = make_space("other", state="building")
    for one in (space, other):
        add_photo(one, AXES[0], latitude=41.0, longitude=-40.0)
    call_command("evaluate", space=["made-up", "other"], verbosity=0)
    heading = capsys.readouterr().out.splitlines()[0]
    assert heading.split() == ["made-up", "other"]


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_a_half_built_space_is_not_measured(space, command):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    make_space("other", state="building")
    with pytest.raises(CommandError, match="1 photos are not described in 'other' yet"):
        call_command(command, space=["made-up", "other"] if command == "evaluate" else "other", verbosity=0)
    assert not EvaluationReport.objects.exists()


def test_evaluate_writes_runs_that_can_be_compared(space, tmp_path, capsys):
    for number in range(3):
        add_photo(space, AXES[number], latitude=41.0, longitude=-40.0)
    call_command("evaluate", runs=tmp_path / "runs", verbosity=0)
    capsys.readouterr()
    run = tmp_path / "runs" / "made-up.json"
    assert read_report(run).means["R@1 within 25 m"] == 1.0
    assert compare_runs(["compare", str(run), str(run)]) == 0
    assert "difference = +0.00" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_an_unknown_space_is_said(space, command):
    with pytest.raises(CommandError, match="nowhere"):
        call_command(command, space=["nowhere"] if command == "evaluate" else "nowhere")


def test_evaluate_without_a_placed_photo_says_so(space):
    with pytest.raises(CommandError, match="no photo"):
        call_command("evaluate", verbosity=0)


def test_calibrate_refuses_politely_where_there_is_too_little(space, capsys):
    add_photo(space, AXES[0], latitude=41.0, longitude=-40.0)
    call_command("calibrate", verbosity=0)
    assert "needs 50" in capsys.readouterr().out
    assert read_prior(space.slug) == SHIPPED_PRIOR
    assert not EvaluationReport.objects.exists()


def start_calibration(space, synthetic):
    report = start_report(space, purpose="calibration", audience=Audience.EVERYONE, limit=TRIALS_LIMIT)
    fill(report, *synthetic)
    return report


def test_calibrate_fits_keeps_and_says_what_changed(space, synthetic, capsys):
    report = start_calibration(space, synthetic)
    call_command("calibrate", dry_run=True, verbosity=0)
    assert "Nothing was kept" in capsys.readouterr().out
    assert not Calibration.objects.exists()
    EvaluationReport.objects.filter(pk=report.pk).update(state=ReportState.RUNNING)
    call_command("calibrate", verbosity=0)
    printed = capsys.readouterr().out
    assert "of the circles hold the true place" in printed
    prior = read_prior(space.slug)
    assert prior.fitted_on == 60
    assert prior.same_place != SHIPPED_PRIOR.same_place
    assert {one.kind: one.n for one in Calibration.objects.all()} == {"same-place": 60, "radius": 60}


# --- the tags' cut --------------------------------------------------------------------------------------


class AxisEncoder:
    """Text alone: "church" and "bridge" have an axis each, whatever else is said has the last one."""

    def __init__(self, spec):
        self.spec = spec

    def encode_text(self, texts):
        axes = [next((axis for axis, word in enumerate(WORDS) if word in text), -1) for text in texts]
        return np.eye(16, dtype=np.float32)[axes]


@pytest.fixture
def worded(space, monkeypatch):
    """A space that knows two words."""
    monkeypatch.setattr(registry, "_ENCODERS", dict(registry._ENCODERS))
    monkeypatch.setattr(registry, "_made", {})
    spec = replace(registry.get_spec("classical-512"), slug="made-up", dimensions=16, has_text=True)
    registry.register_encoder(spec, f"{__name__}:AxisEncoder")
    for word in WORDS:
        Tag.objects.create(slug=word, name=word, in_vocabulary=True)
    return space


def add_tagged(space, count, **fields):
    """Churches, tagged so: to the space each is a church by 0.4 and a bridge by 0.2.

    The five prompts of the background share the rest: a word's logit is 100 times the cosine.
    """
    shares = np.array([0.4, 0.2, 0.4 / 5])
    whole = np.zeros(16)
    whole[[0, 1, -1]] = 0.57 + np.log(shares / shares.max()) / 100
    return [add_photo(space, whole, tags=["church"], **fields) for _ in range(count)]


def test_calibrate_fits_the_tags_cut_where_few_photos_are_placed(worded, capsys, django_capture_on_commit_callbacks):
    add_tagged(worded, 30)
    with django_capture_on_commit_callbacks(execute=True):
        call_command("calibrate", verbosity=0)
    printed = capsys.readouterr().out
    assert "Kept the tags' cut, from 30 photos" in printed
    assert "0 public photos with known places are described in 'made-up'; calibrating places needs 50" in printed
    kept = Calibration.objects.get()
    # the shipped cut of 0.15 takes 30 bridges for 30 churches: F1 = 2 * 30 / (60 + 30); the next one over 0.2 none
    assert (kept.kind, kept.n, kept.parameters) == ("tag-cut", 30, {"cut": 0.225, "f1": 1.0})
    rows = {line[:38].strip(): line[38:].split() for line in printed.splitlines()}
    assert rows["tag cut (30 photos)"] == ["0.150", "0.225"]
    assert rows["F1 against tags by hand"] == ["0.667", "1.000"]
    worded.refresh_from_db()
    assert vocabulary.tag_cut(worded) == 0.225
    assert worded.pk in (queues.waiting_ids("index", prefix=vocabulary.PREFIX) or ())
    assert read_prior(worded.slug) == SHIPPED_PRIOR
    assert vocabulary.retag(worded)
    found = PhotoTag.objects.filter(source="automatic")
    assert not found.exists()  # each has been called a church by hand, and none is a bridge


def test_a_dry_run_keeps_no_cut(worded, capsys):
    add_tagged(worded, 30)
    call_command("calibrate", dry_run=True, verbosity=0)
    assert "The tags' cut was not kept" in capsys.readouterr().out
    assert not Calibration.objects.exists()
    assert vocabulary.tag_cut(EmbeddingSpace.objects.get()) == 0.15


def test_private_photos_and_too_few_teach_no_cut(worded, capsys):
    add_tagged(worded, 29)
    add_tagged(worded, 5, visibility="private", owner=User.objects.create_user("ada"))
    call_command("calibrate", verbosity=0)
    assert "that takes 30 public photos" in capsys.readouterr().out
    assert not Calibration.objects.exists()


def test_the_f1_of_a_cut_by_hand():
    scores = np.array([[0.5, 0.1], [0.2, 0.4]], np.float32)
    wanted = np.array([[True, True], [False, True]])
    assert f1_at(scores, wanted, 0.3) == 0.8  # two of the three wanted and nothing else: 2 * 2 / (2 + 3)
    assert f1_at(scores, wanted, 0.2) == 0.6667  # and one that is not wanted: 2 * 2 / (3 + 3)
    assert f1_at(scores, np.zeros((2, 2), bool), 0.9) == 0.0


def test_private_and_hidden_photos_shape_no_calibration(space, synthetic, capsys):
    Photo.objects.filter(pk__in=[photo.pk for photo in synthetic[0][:6]]).update(visibility="private")
    Photo.objects.filter(pk__in=[photo.pk for photo in synthetic[0][6:12]]).update(location_visibility="hidden")
    call_command("calibrate", verbosity=0)
    assert "48 public photos" in capsys.readouterr().out
