"""Calibrating from the accuracy page: for curators, who see what would change before it does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from photos.errors import CollectionError
from photos.models import EmbeddingSpace
from photos.querysets import is_curator
from photos.services.switching import find_space
from search.calibration import read_prior
from search.errors import SearchError
from search.evaluation import background, calibrating
from search.evaluation.fitting import LEAST_TRIALS
from search.evaluation.held_out import measurable_photos
from search.evaluation.localisation_run import tell_prior
from search.models import Audience, Calibration, EvaluationReport, ReportPurpose
from search.telling_calibration import tell_changes

GROWN: Final = 1.5
"""A calibration is called old when the collection has so many times the photos it was fitted to."""


def calibration_context(space: EmbeddingSpace) -> dict[str, Any]:
    """Return what the page shows of a space's calibration: what is in force, and what waits to be decided on."""
    newest = calibrating.newest_calibration(space)
    now = newest if newest is not None and newest.n else None
    there = measurable_photos(space, Audience.EVERYONE).count()
    return {
        "space": space,
        "newest": newest,
        "now": now,
        "former": calibrating.former_calibration(space),
        "there": there,
        "least": LEAST_TRIALS,
        "is_possible": there >= LEAST_TRIALS,
        "is_old": now is not None and min(there, calibrating.TRIALS_LIMIT) >= GROWN * now.n,
        "failure": calibrating.newest_failure(space),
        **_proposed(space),
    }


def _proposed(space: EmbeddingSpace) -> dict[str, Any]:
    proposal = calibrating.newest_proposal(space)
    if proposal is None or proposal.fit is None:
        return {}
    is_late = proposal.fit["before"]["prior"] != tell_prior(read_prior(space.slug))
    return {"proposal": proposal, "changes": tell_changes(proposal.fit), "is_late": is_late}


@require_POST
def calibration_start(request: HttpRequest) -> HttpResponse:
    """Have the workers find out what a calibration would change."""
    if not is_curator(request.user):
        return HttpResponseForbidden()
    space = find_space(request.POST.get("space", ""))
    if space is None:
        raise Http404
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
    report = get_object_or_404(reports, pk=_number(request, "report"))
    decision = request.POST.get("decision")
    if decision == "keep":
        said = _("From now on answers use these values. Measure again to see what that changed.")
        _try(request, partial(calibrating.keep, report, by=_curator(request)), said)
    elif decision == "drop":
        calibrating.drop(report)
        messages.success(request, _("Dropped: the values in use stay."))
    else:
        raise Http404
    return _back_to(report.space)


@require_POST
def calibration_take_back(request: HttpRequest) -> HttpResponse:
    """Use the values again that were in use before the `newest` ones; once more undoes that."""
    if not is_curator(request.user):
        return HttpResponseForbidden()
    newest = get_object_or_404(Calibration.objects.select_related("space"), pk=_number(request, "newest"))
    take_back = partial(calibrating.take_back, newest, by=_curator(request))
    _try(request, take_back, _("The former values are in use again."))
    return _back_to(newest.space)


def _try(request: HttpRequest, change: Callable[[], None], said: str) -> None:
    try:
        change()
    except SearchError as exc:
        messages.error(request, str(exc))
    else:
        messages.success(request, said)


def _curator(request: HttpRequest) -> User | None:
    return request.user if request.user.is_authenticated else None


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not text.isdecimal() or len(text) > 18:
        raise Http404
    return int(text)


def _back_to(space: EmbeddingSpace) -> HttpResponse:
    return redirect(f"{reverse('accuracy')}?space={space.slug}#calibration")
