"""The state of the collection on the administration's first page."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse

from photos.models import LocationProposal, Photo, PhotoState, ProposalState
from photos.services.spaces import current_spaces, space_statistics
from photos.statistics import count_states

register = template.Library()

SHOWN_FAILURES = 5
TROUBLED = (PhotoState.FAILED, PhotoState.QUARANTINED)


@register.inclusion_tag("admin/photos/overview.html")
def collection_overview() -> dict[str, Any]:
    counts = count_states(Photo.objects.all())
    photos = reverse("admin:photos_photo_changelist")
    return {
        "total": sum(counts.values()),
        "states": [
            {"state": state, "count": counts[state.value], "url": f"{photos}?state__exact={state.value}"}
            for state in PhotoState
        ],
        "unplaced": Photo.objects.filter(latitude__isnull=True).count(),
        "photos_url": photos,
        "failures": Photo.objects.filter(state__in=TROUBLED).order_by("-updated_at")[:SHOWN_FAILURES],
        "failure_count": sum(counts[state] for state in TROUBLED),
        "proposal_count": LocationProposal.objects.filter(state=ProposalState.OPEN).count(),
        "spaces": [space_statistics(space) for space in current_spaces()],
    }
