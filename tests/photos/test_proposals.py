"""Deciding on proposed places, by the service and in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from photos.models import LocationProposal, Photo, ProposalState
from photos.services.collection import set_location
from photos.services.proposals import ProposalDecidedError, accept_proposal, reject_proposal, undo_decision

pytestmark = pytest.mark.django_db
PROPOSALS = "/admin/photos/locationproposal/"


@pytest.fixture
def curator(db) -> User:
    return User.objects.create_superuser("cleo")


@pytest.fixture
def client(curator) -> Client:
    client = Client()
    client.force_login(curator)
    return client


def propose(photo: Photo, **fields: float) -> LocationProposal:
    point = {"latitude": 36.5, "longitude": 30.5, "radius_m": 120.0, **fields}
    return LocationProposal.objects.create(photo=photo, source="visual", evidence={"matches": 3}, **point)


def place(photo: Photo) -> tuple[float | None, float | None, str, float | None]:
    photo.refresh_from_db()
    return photo.latitude, photo.longitude, photo.location_source, photo.location_accuracy_m


def test_accepting_moves_the_photo_and_says_who(add, curator):
    photo = add(1)
    proposal = propose(photo)
    accept_proposal(proposal, by=curator)
    proposal.refresh_from_db()
    assert place(photo) == (36.5, 30.5, "accepted-estimate", 120.0)
    assert (proposal.state, proposal.decided_by) == (ProposalState.ACCEPTED, curator)
    assert proposal.decided_at is not None
    assert proposal.evidence["matches"] == 3


@pytest.mark.parametrize("fields", [{}, {"latitude": 1.0, "longitude": 2.0, "location_accuracy_m": 7.0}])
def test_undoing_puts_the_photo_back(add, curator, fields):
    photo = add(1, **fields)
    before = place(photo)
    proposal = propose(photo)
    accept_proposal(proposal, by=curator)
    undo_decision(proposal)
    proposal.refresh_from_db()
    assert place(photo) == before
    assert (proposal.state, proposal.decided_by, proposal.decided_at) == (ProposalState.OPEN, None, None)
    assert proposal.evidence == {"matches": 3}


def test_undoing_leaves_a_photo_that_was_moved_since(add, curator):
    photo = add(1)
    proposal = propose(photo)
    accept_proposal(proposal, by=curator)
    photo.refresh_from_db()
    set_location(photo, 10, 20)
    undo_decision(proposal)
    assert place(photo) == (10, 20, "manual", None)


def test_rejecting_leaves_the_photo_where_it_is(add, curator):
    photo = add(1, latitude=1, longitude=2)
    proposal = propose(photo)
    reject_proposal(proposal, by=curator)
    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_by) == (ProposalState.REJECTED, curator)
    assert place(photo) == (1, 2, "manual", None)


def test_a_decision_is_made_once(add, curator):
    proposal = propose(add(1))
    with pytest.raises(ProposalDecidedError, match="open"):
        undo_decision(proposal)
    reject_proposal(proposal, by=curator)
    for decide in (accept_proposal, reject_proposal):
        with pytest.raises(ProposalDecidedError, match="rejected already"):
            decide(proposal, by=curator)


def test_the_admin_lists_them_and_decides_many(client, add, curator):
    first, second = propose(add(1)), propose(add(2), latitude=-10)
    assert "36.50000, 30.50000" in client.get(PROPOSALS).content.decode()
    chosen = {"_selected_action": [first.pk, second.pk]}
    client.post(PROPOSALS, {**chosen, "action": "accept"})
    assert set(Photo.objects.values_list("latitude", flat=True)) == {36.5, -10}
    response = client.post(PROPOSALS, {**chosen, "action": "reject"}, follow=True)
    assert response.content.decode().count("accepted already") == 2
    client.post(PROPOSALS, {**chosen, "action": "undo"})
    assert set(Photo.objects.values_list("latitude", flat=True)) == {None}


def test_the_admins_form_decides_one(client, add, curator):
    proposal = propose(add(1))
    address = reverse("admin:photos_locationproposal_change", args=[proposal.pk])
    assert 'data-latitude="36.5"' in client.get(address).content.decode()
    client.post(address, {"decision": "accept"})
    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_by) == (ProposalState.ACCEPTED, curator)
    assert "Undo the decision" in client.get(address).content.decode()
    client.post(address, {"decision": "undo"})
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.OPEN
    client.post(address, {"decision": "nonsense"})
    client.post(address, {})
    proposal.refresh_from_db()
    assert proposal.state == ProposalState.OPEN


def test_the_list_takes_as_many_queries_for_any_number(client, add, django_assert_max_num_queries):
    propose(add(1))
    client.get(PROPOSALS)
    with django_assert_max_num_queries(15) as few:
        client.get(PROPOSALS)
    for number in range(2, 7):
        propose(add(number))
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get(PROPOSALS)
