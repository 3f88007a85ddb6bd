"""What can be done from an answer: asking on, sharing, saving, suggesting."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from photos.models import LocationProposal, Photo, Visibility
from photos.services.proposals import accept_proposal
from search import requests
from search.models import SearchRequest
from tests.search.pictures import picture_of

pytestmark = pytest.mark.django_db

SCRIPT = {"accept": "application/json"}
HTMX = {"hx-request": "true"}


@pytest.fixture
def question(client, town):
    """A visitor's answered question about the gate, whose file claims another place."""
    picture = SimpleUploadedFile("where.jpg", picture_of(1, 5, gps=(10.0, 20.0)), content_type="image/jpeg")
    client.post("/", {"image": picture}, headers=SCRIPT)
    question = SearchRequest.objects.latest("pk")
    assert requests.run(question.pk)
    question.refresh_from_db()
    return question


@pytest.fixture
def stranger():
    return Client()


def address(name, question):
    return reverse(name, args=[question.uuid])


def page_of(client, question):
    return client.get(address("locate-result", question)).content.decode()


# --- on its way ----------------------------------------------------------------------------------------


def test_nothing_is_sent_again_that_is_seen_already(client, question):
    SearchRequest.objects.update(state="pending", stage="", result=None, first_result=None)
    url = address("locate-result", question)
    part = client.get(url, headers=HTMX).content.decode()
    seen = re.findall(r"\?seen=([^\"]*)\"", part)[0]
    assert client.get(f"{url}?seen={seen}", headers=HTMX).status_code == 204
    SearchRequest.objects.update(stage="reading")
    assert client.get(f"{url}?seen={seen}", headers=HTMX).status_code == 200


def test_a_first_look_is_shown_once(client, question):
    SearchRequest.objects.update(state="pending", stage="segmenting", result=None)
    url = address("locate-result", question)
    first = client.get(url, headers=HTMX).content.decode()
    assert 'hx-swap-oob="true"' in first
    assert "A first look" in first
    later = client.get(f"{url}?seen=pending.reading..first", headers=HTMX).content.decode()
    assert "A first look" not in later
    assert "hx-swap-oob" not in later


def test_who_waits_is_told_of_the_line(client, question):
    earlier = timezone.now() - timedelta(seconds=10)
    SearchRequest.objects.update(state="pending", stage="", result=None, first_result=None, created_at=earlier)
    page = page_of(client, question)
    assert "none is running" in page
    assert "next one in line" in page
    for _ in range(2):
        SearchRequest.objects.create(width=1, height=1)
    last = SearchRequest.objects.create(width=1, height=1, session_key=question.session_key)
    SearchRequest.objects.update(created_at=earlier)
    assert "number 4 in line" in page_of(client, last)


def test_who_waits_for_redis_is_told(client, question, monkeypatch):
    monkeypatch.setattr("photos.queues.is_worked", lambda _queue: None)
    SearchRequest.objects.update(
        state="pending", stage="", result=None, created_at=timezone.now() - timedelta(seconds=10)
    )
    page = page_of(client, question)
    assert "the queue, which does not answer" in page
    assert "Your photo is safe" in page


# --- asking on -----------------------------------------------------------------------------------------


def test_a_part_is_asked_as_a_question_of_its_own(client, question):
    box = {"segment": "box", "box_x": "10", "box_y": "20", "box_width": "9999", "box_height": "100"}
    answer = client.post(address("locate-refine", question), {**box, "tags": "gate, old", "taken_from": "2020-02-03"})
    refined = SearchRequest.objects.latest("pk")
    assert answer["Location"] == address("locate-result", refined)
    assert refined.parent == question
    assert refined.session_key == question.session_key
    assert refined.parameters["box"] == [10, 20, question.width - 10, 100]
    assert refined.parameters["tags"] == ["gate", "old"]
    assert refined.parameters["filters"] == {"taken_from": "2020-02-03"}
    with refined.image.open() as own, question.image.open() as first:
        assert own.read() == first.read()
    assert address("locate-result", question) in page_of(client, refined), "the way back"


def test_a_question_about_nothing_else_is_the_whole_photo(client, question):
    client.post(
        address("locate-refine", question), {"segment": "", "box_x": "1", "taken_from": "nonsense", "area": "1,2"}
    )
    assert SearchRequest.objects.latest("pk").parameters == {}


def test_a_failed_question_is_asked_again_as_it_was(client, question):
    SearchRequest.objects.update(state="failed", result=None, parameters={"tags": ["gate"]}, error="It broke.")
    assert "Try again" in page_of(client, question)
    client.post(address("locate-refine", question), {"again": "1"})
    assert SearchRequest.objects.latest("pk").parameters == {"tags": ["gate"]}


def test_what_failed_in_detail_is_for_curators(client, question):
    SearchRequest.objects.update(state="failed", result=None, error="It broke.", error_detail="KeyError: /srv/x")
    page = page_of(client, question)
    assert "It broke." in page
    assert "KeyError" not in page
    curator = User.objects.create_user("curator", is_staff=True)
    client.force_login(curator)
    SearchRequest.objects.update(owner=curator, session_key="")
    assert "KeyError: /srv/x" in page_of(client, question)


def test_nobody_asks_on_from_anothers_question(stranger, question):
    assert stranger.post(address("locate-refine", question)).status_code == 404
    assert SearchRequest.objects.count() == 1


# --- the file's own word ---------------------------------------------------------------------------------


def test_a_file_that_says_otherwise_is_told_beside_the_answer(client, question):
    page = page_of(client, question)
    assert re.search(r"EXIF says 10\.00000, 20\.00000, [\d,.]+ km away: one of the two is wrong", page)


def test_a_file_that_agrees_is_told_too(client, town):
    at = (town.gate[0].latitude, town.gate[0].longitude)
    client.post("/", {"image": SimpleUploadedFile("a.jpg", picture_of(1, 5, gps=at))}, headers=SCRIPT)
    asked = SearchRequest.objects.latest("pk")
    assert requests.run(asked.pk)
    page = page_of(client, asked)
    assert "Probably at" in page
    assert re.search(r"EXIF says 41\.0\d{4}, -?\d+\.\d{5}, [\d.]+ m away: the two agree", page)


def test_a_file_that_alone_knows_its_place_says_so(client, question):
    Photo.objects.all().delete()
    page = page_of(client, question)
    assert "I cannot place this photo" in page
    assert "EXIF says 10.00000, 20.00000. Nothing in the collection confirms or refutes it." in page


# --- sharing -------------------------------------------------------------------------------------------


def share(client, question):
    client.post(address("locate-share", question))
    question.refresh_from_db()
    return reverse("shared-answer", args=[question.share_token])


def test_a_link_shows_the_answer_without_the_files_exif(client, stranger, question):
    assert "10.00000, 20.00000" in page_of(client, question)
    url = share(client, question)
    response = stranger.get(url)
    page = response.content.decode()
    assert "Probably at 41.00" in page
    assert "10.00000, 20.00000" not in page
    assert "EXIF" not in page
    assert "where.jpg" not in page
    assert str(question.uuid) not in page, "the question itself stays its asker's"
    assert response["X-Robots-Tag"] == "noindex"
    assert stranger.get(f"{url}image.jpg").status_code == 200
    assert stranger.get(address("locate-result", question)).status_code == 404


def test_a_link_tells_no_more_than_its_reader_may_see(client, stranger, question, town):
    Photo.objects.filter(pk__in=[photo.pk for photo in town.gate]).update(visibility=Visibility.PRIVATE)
    page = stranger.get(share(client, question)).content.decode()
    assert "Probably at" not in page
    assert not [photo for photo in town.gate if str(photo.uuid) in page]


def test_a_link_is_one_and_ends_when_it_is_ended(client, stranger, question):
    url = share(client, question)
    assert share(client, question) == url
    assert "Stop sharing" in page_of(client, question)
    client.post(address("locate-share", question), {"stop": "1"})
    assert stranger.get(url).status_code == 404
    assert stranger.get(f"{url}image.jpg").status_code == 404
    assert share(client, question) != url


def test_a_link_ends_with_the_answer(client, stranger, question):
    url = share(client, question)
    SearchRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert stranger.get(url).status_code == 404


def test_only_the_asker_shares(stranger, question):
    assert stranger.post(address("locate-share", question)).status_code == 404
    question.refresh_from_db()
    assert question.share_token is None


# --- saving --------------------------------------------------------------------------------------------


def sign_in(client, name="saver"):
    """As the form does: the session gets another key."""
    user = User.objects.create_user(name, password="a long pass phrase")
    assert client.post(reverse("login"), {"username": name, "password": "a long pass phrase"}).status_code == 302
    return user


def test_whoever_signs_in_keeps_the_answer_and_saves_the_photo_there(client, stranger, question):
    user = sign_in(client)
    place = requests.present(question, viewer=user)["location"]
    client.post(
        address("locate-save", question),
        {"latitude": place["latitude"], "longitude": place["longitude"], "title": "The gate", "visibility": "private"},
    )
    photo = Photo.objects.get(title="The gate")
    assert (photo.owner, photo.visibility, photo.location_source) == (user, "private", "accepted-estimate")
    assert (photo.latitude, photo.location_accuracy_m) == (place["latitude"], place["radius_m"])
    page = page_of(client, question)
    assert "is in the collection" in page
    assert "<h2>Save to the collection" not in page
    SearchRequest.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert requests.purge_expired() == 0
    assert page_of(client, question)


def test_a_point_of_ones_own_is_set_by_hand_and_saving_is_undone(client, question, town):
    sign_in(client)
    before = Photo.objects.count()
    client.post(address("locate-save", question), {"latitude": "1.5", "longitude": "2.5"})
    photo = Photo.objects.latest("pk")
    assert (photo.latitude, photo.location_source, photo.location_accuracy_m) == (1.5, "manual", None)
    client.post(address("locate-save", question), {"latitude": "1.5", "longitude": "2.5"})
    assert Photo.objects.count() == before + 1, "saved once"
    client.post(address("locate-take-back", question))
    assert Photo.objects.count() == before
    assert "Save to the collection" in page_of(client, question)


@pytest.mark.parametrize(("latitude", "longitude"), [("", ""), ("91", "0"), ("nan", "0"), ("1", "inf")])
def test_a_place_that_is_none_is_not_saved(client, question, latitude, longitude):
    sign_in(client)
    before = Photo.objects.count()
    response = client.post(
        address("locate-save", question), {"latitude": latitude, "longitude": longitude}, follow=True
    )
    assert "Say where it is first" in response.content.decode()
    assert Photo.objects.count() == before


def test_a_visitor_is_led_to_sign_in_before_saving(client, question):
    response = client.post(address("locate-save", question), {"latitude": "1", "longitude": "2"})
    assert response["Location"].startswith(reverse("login"))


# --- suggesting ----------------------------------------------------------------------------------------


def test_a_visitors_suggestion_goes_to_the_curators_alone(client, stranger, question):
    client.post(address("locate-suggest", question), {"latitude": "1.5", "longitude": "2.5", "note": "My town."})
    proposal = LocationProposal.objects.get()
    photo = proposal.photo
    assert (proposal.latitude, proposal.note, proposal.source, proposal.state) == (1.5, "My town.", "visitor", "open")
    assert proposal.evidence["distance_m"] > 1000
    assert (photo.owner, photo.visibility) == (None, "private")
    assert stranger.get(reverse("photo", args=[photo.uuid])).status_code == 404
    page = page_of(client, question)
    assert "Thank you for your suggestion" in page
    assert "Take it back" in page
    SearchRequest.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert requests.purge_expired() == 1, "the photo is the curators' now, the question was a visitor's"
    assert Photo.objects.filter(pk=photo.pk).exists()


def test_a_suggestion_is_taken_back_until_a_curator_has_decided(client, question):
    suggestion = {"latitude": "1.5", "longitude": "2.5"}
    before = Photo.objects.count()
    client.post(address("locate-suggest", question), suggestion)
    client.post(address("locate-take-back", question))
    assert Photo.objects.count() == before
    client.post(address("locate-suggest", question), suggestion)
    accept_proposal(LocationProposal.objects.get(), by=User.objects.create_user("curator", is_staff=True))
    client.post(address("locate-take-back", question))
    assert Photo.objects.count() == before + 1
    assert "has decided" in page_of(client, question)


def test_a_photo_that_was_given_to_somebody_else_cannot_be_taken_back(client, question):
    """Nor does the answer outlive its day for a photo that is not its asker's."""
    asker, other = User.objects.create_user("ada"), User.objects.create_user("bob")
    client.force_login(asker)
    client.post(address("locate-save", question), {"latitude": "1", "longitude": "2"})
    question.refresh_from_db()
    Photo.objects.filter(pk=question.saved_photo_id).update(owner=other)
    client.post(address("locate-take-back", question))
    assert Photo.objects.filter(pk=question.saved_photo_id).exists()
    SearchRequest.objects.filter(pk=question.pk).update(expires_at=timezone.now() - timedelta(hours=1))
    assert client.get(address("locate-result", question)).status_code == 404
