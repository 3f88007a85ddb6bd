"""What each source says of a place, and why: the file's EXIF, the record, photos of the same hour, proposals, vision.

Only the visual source makes the verdict: the others stand beside it, to agree or to disagree.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import Final

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from photos.exif import ExifFacts
from photos.models import LocationProposal, Photo, ProposalState
from photos.models.proposal import ProposalSource
from photos.querysets import Viewer, is_curator, knows_exactly, location_for
from search.location import Placement
from search.types import LocationSourceAnswer

NEIGHBOURS_WITHIN: Final = timedelta(minutes=30)
PACE_M_S: Final = 1.4
"""A walker's: so far may somebody have come since the other photo."""

LEAST_RADIUS_M: Final = 30.0
MOST_PROPOSALS: Final = 5


def all_sources(
    placement: Placement,
    *,
    verdict: str,
    viewer: Viewer,
    exif: ExifFacts | None = None,
    subject: Photo | None = None,
) -> Iterator[LocationSourceAnswer]:
    """Yield what every source tells `viewer`; `subject` is the stored photo that was asked about, if it was one."""
    if exif is not None:
        yield exif_source(exif)
    if subject is not None:
        yield from record_source(subject, viewer)
    yield from time_source(exif, subject, viewer)
    yield visual_source(placement, verdict)
    if subject is not None:
        yield from proposal_sources(subject, viewer)


def exif_source(exif: ExifFacts) -> LocationSourceAnswer:
    if exif.latitude is None or exif.longitude is None:
        return LocationSourceAnswer("exif", _("No position."), _("The file carries no GPS position."))
    return LocationSourceAnswer(
        source="exif",
        says=tell_point(exif.latitude, exif.longitude),
        reason=_("The file's EXIF says so; whoever had the file may have written it. It is not part of the verdict."),
        latitude=exif.latitude,
        longitude=exif.longitude,
        radius_m=exif.accuracy_m,
    )


def record_source(photo: Photo, viewer: Viewer) -> Iterator[LocationSourceAnswer]:
    """Yield where the collection has the photo, as far as `viewer` may know."""
    point = location_for(photo, viewer)
    if point is None:
        return
    if knows_exactly(photo, viewer):
        reason = _("The collection has it there: %s.") % photo.get_location_source_display()
    else:
        reason = _("The collection has it near there; its exact place is not public.")
    yield LocationSourceAnswer(
        source="record",
        says=tell_point(*point),
        reason=reason,
        latitude=point[0],
        longitude=point[1],
        radius_m=photo.location_accuracy_m if knows_exactly(photo, viewer) else None,
    )


# --- the same hour --------------------------------------------------------------------------------------


def time_source(exif: ExifFacts | None, subject: Photo | None, viewer: Viewer) -> Iterator[LocationSourceAnswer]:
    """Yield where the same person's photos of the same hour were taken.

    For an asker these are their own; for a stored photo its owner's, told to the owner and to curators alone: it
    would tell others whose photo it is, and where, though its place is hidden.
    """
    if subject is not None:
        taken_at, owner_id = subject.taken_at, subject.owner_id if _manages(subject, viewer) else None
    else:
        taken_at, owner_id = (None if exif is None else exif.taken_at), (None if viewer is None else viewer.pk)
    if taken_at is None or owner_id is None:
        return
    others = [photo for photo in _same_hour(taken_at, owner_id, viewer) if subject is None or photo.pk != subject.pk]
    placed = [(photo, point) for photo in others if (point := location_for(photo, viewer)) is not None]
    if placed:
        nearest, point = min(placed, key=lambda one: (_gap_s(one[0], taken_at), one[0].pk))
        yield _time_answer(nearest, point, taken_at, len(placed))


def _manages(photo: Photo, viewer: Viewer) -> bool:
    owns = viewer is not None and viewer.is_authenticated and photo.owner_id == viewer.pk
    return owns or is_curator(viewer)


def _same_hour(taken_at: datetime, owner_id: int, viewer: Viewer) -> list[Photo]:
    if not MINYEAR < taken_at.year < MAXYEAR:
        return []  # at the ends of the calendar there is no hour around a moment
    moment = (taken_at - NEIGHBOURS_WITHIN, taken_at + NEIGHBOURS_WITHIN)
    return list(Photo.objects.all().visible_to(viewer).filter(owner_id=owner_id, taken_at__range=moment).order_by("pk"))


def _gap_s(photo: Photo, taken_at: datetime) -> float:
    return abs((photo.taken_at - taken_at).total_seconds()) if photo.taken_at else np.inf


def _time_answer(nearest: Photo, point: tuple[float, float], taken_at: datetime, count: int) -> LocationSourceAnswer:
    gap_s = _gap_s(nearest, taken_at)
    reason = ngettext(
        "%(count)d photo by the same person is from that hour, taken %(minutes)d min apart.",
        "%(count)d photos by the same person are from that hour, the nearest taken %(minutes)d min apart.",
        count,
    ) % {"count": count, "minutes": max(1, round(gap_s / 60))}
    return LocationSourceAnswer(
        source="time",
        says=_("Near %(latitude)s, %(longitude)s.") % _degrees(*point),
        reason=reason + " " + _("The circle is how far one walks meanwhile."),
        latitude=point[0],
        longitude=point[1],
        radius_m=round(max(LEAST_RADIUS_M, PACE_M_S * gap_s) + (nearest.location_accuracy_m or 0.0), 1),
    )


# --- vision and people ----------------------------------------------------------------------------------


def visual_source(placement: Placement, verdict: str) -> LocationSourceAnswer:
    found = placement.estimate
    if found is None:
        return LocationSourceAnswer("visual", verdict, _why_not(placement))
    reason = ngettext(
        "%(count)d independent photo shows the same things in the same arrangement.",
        "%(count)d independent photos show the same things in the same arrangement.",
        found.support,
    ) % {"count": found.support}
    return LocationSourceAnswer(
        "visual", verdict, reason, found.latitude, found.longitude, found.radius_m, found.probability
    )


def _why_not(placement: Placement) -> str:
    if placement.is_confirmed and len(placement.alternatives) > 1:
        return _("Several places are confirmed about as well; none of them is sure enough.")
    if placement.is_confirmed:
        return _("One place is confirmed, but not surely enough to be told.")
    return _("No photo of the collection could be confirmed to show the same place.")


def proposal_sources(photo: Photo, viewer: Viewer) -> Iterator[LocationSourceAnswer]:
    """Yield the open proposals for a photo: to its owner and to curators, who may decide on them."""
    if not _manages(photo, viewer):
        return
    waiting = LocationProposal.objects.filter(photo=photo, state=ProposalState.OPEN).order_by("-created_at", "-pk")
    for proposal in waiting[:MOST_PROPOSALS]:
        said = _("The visual search proposed it; nobody has decided yet.")
        if proposal.source == ProposalSource.VISITOR:
            said = _("A visitor proposed it; nobody has decided yet.")
        yield LocationSourceAnswer(
            source="proposal",
            says=tell_point(proposal.latitude, proposal.longitude),
            reason=f"{said} {proposal.note}".strip(),
            latitude=proposal.latitude,
            longitude=proposal.longitude,
            radius_m=proposal.radius_m,
            confidence=proposal.probability,
        )


def tell_point(latitude: float, longitude: float) -> str:
    return _("At %(latitude)s, %(longitude)s.") % _degrees(latitude, longitude)


def _degrees(latitude: float, longitude: float) -> dict[str, str]:
    return {"latitude": f"{latitude:.5f}", "longitude": f"{longitude:.5f}"}
