"""The life of a question."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import django_rq
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.storage import default_storage
from django.utils import timezone
from django.utils.translation import override

from photos.models import LocationVisibility, Photo, Visibility
from photos.services.indexing import reconcile
from photos.vision.errors import ImageRefused, WeightsCorruptError
from search import asking, leases, requests
from search.errors import RequestLostError
from search.jobs import run_request
from search.models import SearchRequest
from tests.search.pictures import picture_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(town):
    return requests.submit(picture_of(1, 5), viewer=None)


def waiting():
    return django_rq.get_queue("interactive").get_job_ids()


def read(request, viewer=None):
    request.refresh_from_db()
    return requests.present(request, viewer=viewer)


def test_it_works(asked):
    before = read(asked)
    assert (before["state"], before["location"], before["matches"]) == ("pending", None, [])
    assert run_request(asked.pk)
    answer = read(asked)
    assert (answer["state"], answer["stage"], answer["error"]) == ("done", "", "")
    assert answer["location"]["latitude"] == pytest.approx(41.0, abs=1e-4)
    assert set(answer["location"]) == {"latitude", "longitude", "radius_m", "probability", "support"}
    assert set(answer["timings_ms"]) == {
        *("reading", "segmenting", "describing", "searching", "verifying", "locating"),
        "total",
    }
    best = answer["matches"][0]
    assert best["verification"]["level"] == "confirmed"
    assert best["verification"]["points"]
    assert best["url"] == f"/photos/{best['photo']}/"
    assert len(best["segments"][0]["photo_box"]) == 4
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert asked.finished_at is not None


def test_a_submitted_question_rings_when_it_commits(db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        request = requests.submit(picture_of(1, 5), viewer=None, original_name="a\0b.jpg")
        assert waiting() == []
    assert [name.rsplit("-", 1)[0] for name in waiting()] == [f"request-{request.pk}"]
    assert request.original_name == "ab.jpg"
    assert (request.width, request.height) == (400, 300)
    assert default_storage.exists(str(request.image.name))


def test_a_broken_picture_is_refused_and_leaves_nothing(db, media_root):
    with pytest.raises(ImageRefused):
        requests.submit(b"no picture", viewer=None)
    assert not SearchRequest.objects.exists()
    assert [path for path in media_root.rglob("*") if path.is_file()] == []


def test_only_the_asker_finds_it(db):
    owner, other, curator = (
        User.objects.create_user(name, is_staff=name == "curator") for name in ("o", "x", "curator")
    )
    own = requests.submit(picture_of(1, 5), viewer=owner, session_key="s")
    session = requests.submit(picture_of(1, 5), viewer=AnonymousUser(), session_key="s")
    open_ = requests.submit(picture_of(1, 5), viewer=None)

    def finds(request, viewer=None, session_key=""):
        try:
            return requests.find_for(request.uuid, viewer=viewer, session_key=session_key) == request
        except SearchRequest.DoesNotExist:
            return False

    assert [finds(own, who, "s") for who in (owner, other, curator, None)] == [True, False, False, False]
    assert [finds(session, None, key) for key in ("s", "t", "")] == [True, False, False]
    assert finds(session, curator, "t") is False
    assert finds(open_) is True
    with pytest.raises(SearchRequest.DoesNotExist):
        requests.find_for(uuid.uuid4(), viewer=owner)


def test_an_answer_is_told_from_what_may_be_seen_when_it_is_read(asked, town):
    run_request(asked.pk)
    gate = Photo.objects.filter(pk__in=[photo.pk for photo in town.gate])
    gate.update(visibility=Visibility.PRIVATE)
    answer = read(asked)
    assert answer["location"] is None
    assert not {str(photo.uuid) for photo in town.gate} & {match["photo"] for match in answer["matches"]}
    gate.update(visibility=Visibility.PUBLIC, location_visibility=LocationVisibility.HIDDEN)
    answer = read(asked)
    assert answer["location"] is None
    assert answer["matches"][0]["latitude"] is None
    assert answer["matches"][0]["bearing_deg"] is None


def test_a_curator_is_not_told_more_of_a_visitors_question(asked, town):
    Photo.objects.filter(pk=town.gate[0].pk).update(visibility=Visibility.PRIVATE)
    run_request(asked.pk)
    curator = User.objects.create_user("curator", is_staff=True)
    assert str(town.gate[0].uuid) not in {match["photo"] for match in read(asked, curator)["matches"]}


def test_it_runs_once(asked):
    assert run_request(asked.pk)
    assert not run_request(asked.pk)
    asked.refresh_from_db()
    assert asked.attempts == 1


def test_a_lost_lease_writes_nothing(asked):
    first = leases.claim(asked.pk)
    assert leases.claim(asked.pk) is None
    SearchRequest.objects.filter(pk=asked.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    second = leases.claim(asked.pk)
    assert first is not None
    assert second is not None
    assert second.attempts == 2
    with pytest.raises(RequestLostError):
        leases.finish(first, {})
    leases.give_back(first)
    asked.refresh_from_db()
    assert (asked.state, asked.lease_token) == ("running", second.lease_token)


def test_a_missing_picture_fails_for_good(asked):
    asked.image.storage.delete(asked.image.name)
    assert not run_request(asked.pk)
    assert (read(asked)["state"], read(asked)["error"]) == ("failed", "The picture's file is missing.")


def test_an_error_is_tried_again_and_then_told(asked, settings, monkeypatch):
    def stumble(*_args, **_options):
        raise RuntimeError("the encoder stumbled")

    monkeypatch.setattr(requests, "investigate_question", stumble)
    states = []
    for _ in range(settings.INDEX_ATTEMPTS):
        run_request(asked.pk)
        asked.refresh_from_db()
        states.append(asked.state)
    assert states == ["pending"] * (settings.INDEX_ATTEMPTS - 1) + ["failed"]
    assert asked.error_detail == "RuntimeError: the encoder stumbled"
    assert read(asked)["error"] == "Something went wrong on our side; it has been logged."
    assert not run_request(asked.pk)


def test_what_a_model_lacks_is_told_to_curators_alone(asked, monkeypatch):
    def lack(*_args, **_options):
        raise WeightsCorruptError("/srv/models/clip.pt is not the file that was pinned")

    monkeypatch.setattr(requests, "investigate_question", lack)
    run_request(asked.pk)
    assert "/srv" not in json.dumps(read(asked))
    assert read(asked)["error"].startswith("The site cannot describe pictures")
    with override("tr"):
        assert read(asked)["error"].startswith("Site şu anda")
    assert asked.error_detail == "/srv/models/clip.pt is not the file that was pinned"


def test_a_stopped_worker_does_not_cost_an_attempt(asked, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(requests, "investigate_question", stop)
    with pytest.raises(KeyboardInterrupt):
        run_request(asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.attempts, asked.lease_token) == ("pending", 0, None)


def test_the_reconciler_rings_again_for_what_redis_forgot(asked):
    assert waiting() == []
    assert reconcile()["requests"] == 1
    assert len(waiting()) == 1
    assert reconcile()["requests"] == 0  # it is in the queue already


def test_the_reconciler_ends_what_always_kills_its_worker(asked, settings):
    SearchRequest.objects.filter(pk=asked.pk).update(
        state="running",
        attempts=settings.INDEX_ATTEMPTS,
        lease_token=uuid.uuid4(),
        lease_expires_at=timezone.now() - timedelta(seconds=1),
    )
    assert requests.requeue_lost() == 0
    assert read(asked)["state"] == "failed"


def test_expired_questions_go_with_their_pictures(asked):
    kept = requests.submit(picture_of(1, 5), viewer=None)
    name = asked.image.name
    SearchRequest.objects.filter(pk=asked.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(SearchRequest.DoesNotExist):
        requests.find_for(asked.uuid, viewer=None)
    assert requests.purge_expired() == 1
    assert not default_storage.exists(name)
    assert list(SearchRequest.objects.all()) == [kept]
    assert default_storage.exists(str(kept.image.name))


def test_waiting_ends_with_the_answer_or_the_time(asked):
    assert requests.wait_for(asked, 0.05).state == "pending"
    run_request(asked.pk)
    assert requests.wait_for(asked, 30).state == "done"


def test_the_limit_is_kept_in_bounds(town):
    request = requests.submit(picture_of(1, 5), viewer=None, parameters={"limit": 2})
    run_request(request.pk)
    assert len(read(request)["matches"]) == 2
    assert requests.limit_of(SearchRequest(parameters={"limit": 10_000})) == 50


def test_a_first_look_is_told_while_the_rest_is_worked_out(asked, town, monkeypatch):
    seen = []
    investigate = asking.investigate_question

    def look_on(*args, **options):
        asked.refresh_from_db()
        seen.append(requests.read_first_result(asked, viewer=None))
        return investigate(*args, **options)

    monkeypatch.setattr(requests, "investigate_question", look_on)
    assert requests.read_first_result(asked, viewer=None) is None
    assert run_request(asked.pk)
    (first,) = seen
    assert first is not None
    assert first.matches[0].photo_id in {photo.pk for photo in town.gate}
    assert {match.verification for match in first.matches} == {None}
    assert first.location is None, "what nothing verified is no place"
    Photo.objects.filter(pk__in=[photo.pk for photo in town.gate]).update(visibility=Visibility.PRIVATE)
    hidden = requests.read_first_result(asked, viewer=None)
    assert hidden is not None
    assert not {photo.pk for photo in town.gate} & {match.photo_id for match in hidden.matches}


def test_a_first_look_by_a_worker_that_lost_its_lease_is_not_written(asked):
    lost = leases.claim(asked.pk)
    assert lost is not None
    SearchRequest.objects.filter(pk=asked.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert leases.claim(asked.pk) is not None
    with pytest.raises(RequestLostError):
        leases.note_first(lost, {"space": "x", "matches": []})
    asked.refresh_from_db()
    assert asked.first_result is None


def test_an_answer_is_kept_as_long_as_the_photo_its_owner_made_of_it(asked, town):
    owner = User.objects.create_user("o")
    Photo.objects.filter(pk=town.gate[0].pk).update(owner=owner)
    past = timezone.now() - timedelta(seconds=1)
    SearchRequest.objects.filter(pk=asked.pk).update(expires_at=past, saved_photo=town.gate[0], owner=owner)
    assert requests.purge_expired() == 0
    assert requests.find_for(asked.uuid, viewer=owner) == asked
    Photo.objects.get(pk=town.gate[0].pk).delete()
    assert requests.purge_expired() == 1
