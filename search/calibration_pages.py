"""Calibrating from the accuracy page: for curators, who see what would change before it does."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from photos.errors import CollectionError
from photos.models import EmbeddingSpace
from photos.querysets import is_curator
from photos.services.switching import find_space
from search.errors import SearchError
from search.evaluation import accuracy, background, calibrating
from search.evaluation.fitting import LEAST_TRIALS
from search.evaluation.held_out import measurable_photos
from search.models import Audience, EvaluationReport, ReportPurpose
from search.telling_calibration import tell_changes

GROWN: Final = 1.5
"""A calibration is called old when the collection has so many times the photos it was fitted to."""


def calibration_context(space: EmbeddingSpace) -> dict[str, Any]:
    """Return what the page shows of a space's calibration: what is in force, and what waits to be decided on."""
    now, proposal = calibrating.in_force(space), calibrating.newest_proposal(space)
    there = measurable_photos(space, Audience.EVERYONE).count()
    return {
        "space": space,
        "now": now,
        "there": there,
        "least": LEAST_TRIALS,
        "is_possible": there >= LEAST_TRIALS,
        "is_old": now is not None and min(there, calibrating.TRIALS_LIMIT) >= GROWN * now.n,
        "former": calibrating.former_calibration(space),
        "has_history": calibrating.has_history(space),
        "proposal": proposal,
        "changes": tell_changes(proposal.fit) if proposal is not None and proposal.fit else [],
    }


@require_POST
def calibration_start(request: HttpRequest) -> HttpResponse:
    """Have the workers find out what a calibration would change."""
    if not is_curator(request.user):
        return HttpResponseForbidden()
    space = _space(request)
    try:
        background.request_calibration(space)
    except (SearchError, CollectionError) as exc:
        messages.error(request, str(exc))
    return _back_to(space)


@require_POST
def calibration_decide(request: HttpRequest) -> HttpResponse:
    """Keep what a calibration proposes, or drop it (`decision` keep or drop)."""
    if not is_curator(request.user):
        return HttpResponseForbidden()
    reports = EvaluationReport.objects.filter(purpose=ReportPurpose.CALIBRATION).select_related("space")
    report = get_object_or_404(reports, pk=_number(request.POST.get("report", "")))
    if request.POST.get("decision") != "keep":
        calibrating.drop_proposals(report.space)
        messages.success(request, _("Dropped: the values in use stay."))
        return _back_to(report.space)
    try:
        calibrating.keep(report, by=request.user if request.user.is_authenticated else None)
    except SearchError as exc:
        messages.error(request, str(exc))
        return _back_to(report.space)
    messages.success(request, _("From now on answers use these values. Measure again to see what that changed."))
    return _back_to(report.space)


@require_POST
def calibration_take_back(request: HttpRequest) -> HttpResponse:
    """Use the values again that were in use before; once more undoes that."""
    if not is_curator(request.user):
        return HttpResponseForbidden()
    space = _space(request)
    try:
        calibrating.take_back(space, by=request.user if request.user.is_authenticated else None)
    except SearchError as exc:
        messages.error(request, str(exc))
    else:
        messages.success(request, _("The former values are in use again."))
    return _back_to(space)


def _space(request: HttpRequest) -> EmbeddingSpace:
    space = find_space(request.POST.get("space", ""))
    if space is None:
        raise Http404
    return space


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise Http404
    return int(text)


def _back_to(space: EmbeddingSpace) -> HttpResponse:
    shown = space in accuracy.measured_spaces()
    return redirect(reverse("accuracy") + (f"?space={space.slug}" if shown else "") + "#calibration")
