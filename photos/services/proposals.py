"""Deciding on proposed places: only an accepted one moves its photo, and that can be undone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from photos.errors import CollectionError
from photos.models import LocationProposal, LocationSource, Photo, ProposalState
from photos.services.collection import clear_location, set_location

PLACE_FIELDS = ("latitude", "longitude", "location_source", "location_accuracy_m")


class ProposalDecidedError(CollectionError):
    """Somebody has decided already; the message says what."""


@transaction.atomic
def accept_proposal(proposal: LocationProposal, *, by: AbstractBaseUser) -> Photo:
    """Put the photo at the proposed place; what it had before is kept in the evidence, for `undo_decision`.

    Raises ProposalDecidedError.
    """
    locked = _lock(proposal)
    _need_open(locked)
    photo = locked.photo
    before = {name: getattr(photo, name) for name in PLACE_FIELDS}
    set_location(
        photo,
        locked.latitude,
        locked.longitude,
        source=LocationSource.ACCEPTED_ESTIMATE,
        accuracy_m=locked.radius_m,
    )
    locked.evidence = {**locked.evidence, "place_before": before}
    _decide(locked, ProposalState.ACCEPTED, by)
    return photo


@transaction.atomic
def reject_proposal(proposal: LocationProposal, *, by: AbstractBaseUser) -> None:
    """Close a proposal without moving the photo. Raises ProposalDecidedError."""
    locked = _lock(proposal)
    _need_open(locked)
    _decide(locked, ProposalState.REJECTED, by)


@transaction.atomic
def undo_decision(proposal: LocationProposal) -> None:
    """Open a decided proposal again; an accepted one's photo goes back to where it was before.

    Where somebody has moved the photo since, it stays there. Raises ProposalDecidedError for an open one.
    """
    locked = _lock(proposal)
    if locked.state not in {ProposalState.ACCEPTED, ProposalState.REJECTED}:
        raise ProposalDecidedError(f"the proposal is {locked.state}; only a decision can be undone")
    evidence = dict(locked.evidence)
    before = evidence.pop("place_before", None)
    if locked.state == ProposalState.ACCEPTED and before is not None and _still_there(locked):
        _put_back(locked.photo, before)
    locked.evidence = evidence
    locked.state, locked.decided_by, locked.decided_at = ProposalState.OPEN, None, None
    locked.save(update_fields=["evidence", "state", "decided_by", "decided_at"])


def _lock(proposal: LocationProposal) -> LocationProposal:
    """Read it anew, so that two curators cannot decide at once; the photo first, as every other writer does."""
    Photo.objects.select_for_update().get(pk=proposal.photo_id)
    return LocationProposal.objects.select_for_update(of=("self",)).select_related("photo").get(pk=proposal.pk)


def _need_open(proposal: LocationProposal) -> None:
    if proposal.state != ProposalState.OPEN:
        raise ProposalDecidedError(f"the proposal is {proposal.state} already; only an open one can be decided")


def _decide(proposal: LocationProposal, state: ProposalState, by: AbstractBaseUser) -> None:
    proposal.state, proposal.decided_at = state, timezone.now()
    proposal.decided_by_id = by.pk
    proposal.save(update_fields=["state", "decided_by", "decided_at", "evidence"])


def _still_there(proposal: LocationProposal) -> bool:
    photo = proposal.photo
    return (
        photo.location_source == LocationSource.ACCEPTED_ESTIMATE
        and photo.latitude == proposal.latitude
        and photo.longitude == proposal.longitude
    )


def _put_back(photo: Photo, before: dict[str, Any]) -> None:
    if before["latitude"] is None:
        clear_location(photo)
        return
    set_location(
        photo,
        before["latitude"],
        before["longitude"],
        source=before["location_source"],
        accuracy_m=before["location_accuracy_m"],
    )
