"""What each source says of a place, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User

from photos.exif import ExifFacts
from photos.models import LocationProposal
from search.calibration import SHIPPED_PRIOR, PlacePrior
from search.location import Placement, Vote, estimate_location
from search.records import exif_from_record, exif_to_record
from search.sources import all_sources
from tests.search.gallery import new_photo

pytestmark = pytest.mark.django_db
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
NOWHERE = Placement(None)


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


@pytest.fixture
def eve():
    return User.objects.create_user("eve", is_staff=True)


def save(**fields):
    photo = new_photo(**fields)
    photo.save()
    return photo


def told(viewer=None, placement=NOWHERE, **options):
    return {one.source: one for one in all_sources(placement, verdict="Verdict.", viewer=viewer, **options)}


def placed(owner, minutes, *, longitude=-40.0, **fields):
    moment = NOON + timedelta(minutes=minutes)
    return save(owner=owner, taken_at=moment, latitude=41.0, longitude=longitude, **fields)


def test_a_file_without_position_and_time_says_little():
    found = told(exif=ExifFacts())
    assert list(found) == ["exif", "visual"]
    assert found["exif"].latitude is None


def test_an_askers_own_photos_of_the_same_hour_speak(ada):
    placed(ada, -4, longitude=-40.5)
    placed(ada, 20)
    placed(ada, -31, longitude=-60.0)
    source = told(ada, exif=ExifFacts(taken_at=NOON))["time"]
    assert (source.latitude, source.longitude) == (41.0, -40.5)
    assert source.radius_m == pytest.approx(4 * 60 * 1.4)
    assert "2 photos" in source.reason
    assert "4 min apart" in source.reason
    assert source.confidence is None


def test_nobody_elses_photos_of_that_hour_are_told(ada, eve):
    placed(ada, 1)
    for viewer in (None, AnonymousUser(), eve):
        assert "time" not in told(viewer, exif=ExifFacts(taken_at=NOON))


def test_the_hour_of_a_stored_photo_is_its_owners_and_the_curators(ada, eve):
    subject = save(owner=ada, taken_at=NOON)
    placed(ada, 2)
    other = User.objects.create_user("bob")
    assert "time" in told(ada, subject=subject)
    assert "time" in told(eve, subject=subject)
    assert "time" not in told(other, subject=subject)
    assert "time" not in told(None, subject=subject)


def test_a_photo_is_no_neighbour_of_itself(ada):
    subject = placed(ada, 0)
    assert "time" not in told(ada, subject=subject)


def test_photos_of_nobody_are_not_one_persons(eve):
    subject = save(taken_at=NOON)
    placed(None, 1)
    assert "time" not in told(eve, subject=subject)


def test_the_record_is_told_as_far_as_one_may_know(ada):
    subject = placed(ada, 0, location_accuracy_m=5.0, location_visibility="approximate")
    subject.refresh_from_db()
    exact, rough = told(ada, subject=subject)["record"], told(None, subject=subject)["record"]
    assert (exact.longitude, exact.radius_m) == (-40.0, 5.0)
    assert rough.longitude == pytest.approx(-39.995)
    assert rough.radius_m is None
    hidden = placed(ada, 0, location_visibility="hidden")
    hidden.refresh_from_db()
    assert "record" not in told(None, subject=hidden)


def test_open_proposals_are_told_to_those_who_decide(ada, eve):
    subject = save(owner=ada)
    facts = {"photo": subject, "latitude": 41.0, "longitude": -40.0, "radius_m": 80.0}
    LocationProposal.objects.create(**facts, source="visitor", note="The gate.", probability=0.4)
    LocationProposal.objects.create(**facts, source="visual", state="rejected", decided_at=NOON)
    for viewer in (ada, eve):
        proposals = list(all_sources(NOWHERE, verdict="", viewer=viewer, subject=subject))
        (proposal,) = [one for one in proposals if one.source == "proposal"]
        assert (proposal.radius_m, proposal.confidence) == (80.0, 0.4)
        assert proposal.reason.endswith("The gate.")
    assert "proposal" not in told(None, subject=subject)


def test_vision_tells_why_it_abstains():
    def reason(*votes, prior=SHIPPED_PRIOR):
        return told(placement=estimate_location(votes, prior=prior))["visual"].reason

    here, there = (Vote(41.0, longitude, 0.9, confirmed=True) for longitude in (-40.0, 20.0))
    assert "1 independent photo" in reason(here)
    assert "Several places" in reason(here, there)
    assert "not surely enough" in reason(here, prior=PlacePrior(threshold=0.95))
    assert "No photo" in reason()


@pytest.mark.parametrize("exif", [ExifFacts(), ExifFacts(1.0, 2.0, 3.0, taken_at=NOON)])
def test_time_and_place_of_a_file_survive_their_record(exif):
    assert exif_from_record(exif_to_record(exif)) == exif


def test_records_from_before_the_time_was_kept_are_read():
    assert exif_from_record({"latitude": 1.0, "longitude": 2.0, "accuracy_m": None}) == ExifFacts(1.0, 2.0)
