"""Leave-one-out on the database: what is left out, what is found, and going on after a break."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from photos.models import DuplicateKind, NearDuplicate, Photo
from search.evaluation.held_out import load_fellows, load_gallery, measurable_photos
from search.evaluation.localisation_run import (
    NothingToMeasureError,
    continue_report,
    count_trials,
    read_trials,
    start_report,
    unfinished_report,
)
from search.models import Audience, EvaluationReport, EvaluationTrial, ReportPurpose, ReportState
from tests.search.gallery import add_photo, make_space

pytestmark = pytest.mark.django_db
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
ANGLES = [[1, 0.1 * index, 0] + [0] * 13 for index in range(6)]


@pytest.fixture
def space():
    return make_space()


def placed(space, index=0, **fields):
    return add_photo(space, ANGLES[index], **{"latitude": 41.0, "longitude": -40.0 + index / 1000, **fields})


def trial_of(report, photo):
    return next(trial for trial in read_trials(report) if trial.photo_id == photo.pk)


def run(space, audience=Audience.EVERYONE):
    report = start_report(space, audience=audience)
    assert continue_report(report)
    return report


def test_a_photo_is_asked_for_without_itself(space):
    first, second, third = (placed(space, index) for index in range(3))
    trial = trial_of(run(space), first)
    assert [one.photo_id for one in trial.sightings] == [second.pk, third.pk]
    assert (trial.latitude, trial.longitude) == (41.0, -40.0)
    assert trial.nearest_m == pytest.approx(83.9, abs=0.5)  # .001 degrees of longitude at 41 north


def test_near_duplicates_and_copies_of_copies_are_left_out(space):
    photos = [placed(space, index) for index in range(4)]
    for first, second in ((0, 1), (1, 2)):
        NearDuplicate.objects.create(
            photo_a=photos[first], photo_b=photos[second], kind=DuplicateKind.SAME_PICTURE, similarity=1
        )
    trial = trial_of(run(space), photos[0])
    assert [one.photo_id for one in trial.sightings] == [photos[3].pk]


def test_a_private_copy_of_two_public_photos_joins_them_for_curators_alone(space):
    """What everyone's calibration rests on must not change with a photo that not everyone sees."""
    first, second = placed(space), placed(space, 1)
    private = placed(space, 2, visibility="private")
    for public in (first, second):
        NearDuplicate.objects.create(photo_a=public, photo_b=private, kind=DuplicateKind.SAME_PICTURE, similarity=1)
    assert [one.photo_id for one in trial_of(run(space), first).sightings] == [second.pk]
    assert trial_of(run(space, Audience.CURATORS), first).sightings == ()


def test_a_dismissed_pair_is_asked_for(space):
    first, second = placed(space), placed(space, 1)
    NearDuplicate.objects.create(photo_a=first, photo_b=second, kind=DuplicateKind.BURST, dismissed_at=NOON)
    assert [one.photo_id for one in trial_of(run(space), first).sightings] == [second.pk]


def test_the_same_minute_of_one_owner_is_left_out(space):
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
    first = placed(space, taken_at=NOON, owner=ada)
    placed(space, 1, taken_at=NOON + timedelta(seconds=60), owner=ada)
    later = placed(space, 2, taken_at=NOON + timedelta(seconds=61), owner=ada)
    other = placed(space, 3, taken_at=NOON, owner=bob)
    assert [one.photo_id for one in trial_of(run(space), first).sightings] == [later.pk, other.pk]


def test_everyone_learns_nothing_of_hidden_and_private_photos(space):
    first = placed(space)
    hidden = placed(space, 1, location_visibility="hidden")
    placed(space, 2, visibility="private")
    blurred = placed(space, 3, location_visibility="approximate")
    report = run(space)
    assert [trial.photo_id for trial in read_trials(report)] == [first.pk]
    sightings = trial_of(report, first).sightings
    assert [one.photo_id for one in sightings] == [blurred.pk]
    assert sightings[0].longitude == pytest.approx(-39.995)  # the middle of its cell
    assert sightings[0].blur_m > 500
    seen = {one.photo_id for one in trial_of(run(space, Audience.CURATORS), first).sightings}
    assert hidden.pk in seen
    assert len(seen) == 3


def test_an_accepted_estimate_is_no_truth(space):
    placed(space)
    placed(space, 1, location_source="accepted-estimate")
    assert measurable_photos(space, Audience.CURATORS).count() == 1


def test_a_run_is_gone_on_with_where_it_was_broken_off(space):
    photos = [placed(space, index) for index in range(4)]
    report = start_report(space, audience=Audience.EVERYONE)
    assert not continue_report(report, limit_s=0)
    assert count_trials(report) == (1, 4)
    assert unfinished_report(space, purpose=ReportPurpose.ACCURACY, audience=Audience.EVERYONE) == report
    kept = EvaluationTrial.objects.get(photo=photos[0]).record
    done: list[int] = []
    assert continue_report(report, progress=done.append)
    assert len(done) == 3
    assert kept is not None
    record = EvaluationTrial.objects.get(photo=photos[0]).record or {}
    assert record["took_ms"] == kept["took_ms"]  # it was not asked a second time
    assert report.state == ReportState.DONE
    assert report.results is not None
    assert report.results["n"] == 4


def test_a_deleted_photo_takes_its_trial_with_it(space):
    first, second = placed(space), placed(space, 1)
    report = run(space)
    Photo.objects.filter(pk=first.pk).delete()
    assert [trial.photo_id for trial in read_trials(report)] == [second.pk]


def test_a_limit_takes_a_sample_that_is_the_same_every_time(space):
    for index in range(6):
        placed(space, index)
    samples = [set(start_report(space, limit=3).trials.values_list("photo", flat=True)) for _ in range(2)]
    assert samples[0] == samples[1]
    assert len(samples[0]) == 3


def test_a_report_is_never_there_without_its_trials(space, monkeypatch):
    """A worker that found it so finished it: a report of no photos."""

    def fail(*_args, **_options):
        raise RuntimeError("broken off")

    placed(space)
    monkeypatch.setattr(EvaluationTrial.objects, "bulk_create", fail)
    with pytest.raises(RuntimeError, match="broken off"):
        start_report(space)
    assert not EvaluationReport.objects.exists()


def test_nothing_placed_is_said(space):
    with pytest.raises(NothingToMeasureError, match="made-up"):
        start_report(space)


def test_absent_places_are_asked_for_where_enough_is_left(space):
    here = placed(space)
    near = placed(space, 1)
    for index in range(20):
        add_photo(space, ANGLES[2], latitude=52.0 + index, longitude=13.0)
    report = run(space)
    absent = [trial for trial in read_trials(report) if trial.is_absent and trial.photo_id == here.pk]
    assert len(absent) == 1
    assert near.pk not in {one.photo_id for one in absent[0].sightings}
    assert (absent[0].nearest_m or 0) > 200


def test_the_gallery_finds_across_the_antimeridian(space):
    west = add_photo(space, ANGLES[0], latitude=-17.0, longitude=-179.9999)
    east = add_photo(space, ANGLES[1], latitude=-17.0, longitude=179.9999)
    gallery = load_gallery(space, Audience.EVERYONE)
    assert gallery.around(-17.0, 180.0, 20.0) == {west.pk, east.pk}
    left_out = load_fellows(Audience.EVERYONE).of(east)
    assert gallery.nearest_m(-17.0, 179.9999, without=left_out) == pytest.approx(21.3, abs=0.2)
