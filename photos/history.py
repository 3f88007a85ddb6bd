"""What happened to a photo, from what is stored: for curators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext as _

from photos.models import LocationProposal, Photo, PhotoEmbedding, ProposalState


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `who` is empty where no person did it, `note` says more."""

    at: datetime
    what: str
    who: str = ""
    note: str = ""


def history_of(photo: Photo) -> list[Event]:
    """Return what is known to have happened to a photo, the newest first."""
    events = [Event(photo.created_at, _("added"), str(photo.owner or ""), photo.original_name)]
    if photo.indexed_at is not None:
        spaces = (
            PhotoEmbedding.objects.filter(photo=photo).values_list("space__slug", flat=True).order_by("space__slug")
        )
        events.append(Event(photo.indexed_at, _("described"), note=", ".join(spaces)))
    events += _proposals(photo) + _changes(photo)
    return sorted(events, key=lambda event: event.at, reverse=True)


def _proposals(photo: Photo) -> list[Event]:
    events = []
    for one in photo.proposals.select_related("proposed_by", "decided_by"):
        events.append(Event(one.created_at, _("place proposed"), str(one.proposed_by or ""), _point(one)))
        if one.decided_at is not None:
            words = (
                _("proposed place accepted") if one.state == ProposalState.ACCEPTED else _("proposed place declined")
            )
            events.append(Event(one.decided_at, words, str(one.decided_by or ""), _point(one)))
    return events


def _point(proposal: LocationProposal) -> str:
    place = f"{proposal.latitude:.5f}, {proposal.longitude:.5f} ± {proposal.radius_m:.0f} m"
    before: Any = proposal.evidence.get("place_before") or {}
    if before.get("latitude") is None:
        return place
    return _("%(place)s; before: %(before)s") % {
        "place": place,
        "before": f"{before['latitude']:.5f}, {before['longitude']:.5f}",
    }


def _changes(photo: Photo) -> list[Event]:
    """What was done in the administration."""
    kind = ContentType.objects.get_for_model(Photo)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(photo.pk)).select_related("user")
    return [
        Event(entry.action_time, _("changed by hand"), str(entry.user), entry.get_change_message()) for entry in entries
    ]
