"""Fitting a space's prior to the collection, proposing it, keeping it, taking it back.

Only photos that everyone may see, at places that everyone may know, shape a calibration: what it stores are a few
numbers over all of them, and none of these can tell of a private photo or a hidden place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from photos.models import EmbeddingSpace, Photo
from search.calibration import read_prior
from search.errors import SearchError
from search.evaluation.fitting import fit_prior
from search.evaluation.held_out import measurable_photos, viewer_of
from search.evaluation.localisation import Trial
from search.evaluation.localisation_measures import measure
from search.evaluation.localisation_run import DEFAULT_LIMIT, finish_report, read_trials, tell_prior
from search.evaluation_models import EvaluationReport, ReportPurpose, ReportState
from search.models import Calibration, CalibrationKind

PLACE_KINDS: Final = (CalibrationKind.SAME_PLACE, CalibrationKind.RADIUS)
TRIALS_LIMIT: Final = 2 * DEFAULT_LIMIT
"""Photos that a calibration asks for at most."""


class NothingProposedError(SearchError):
    """There is nothing to keep, or nothing to take back."""


def finish(report: EvaluationReport) -> None:
    """Finish a run of trials with what it teaches as `fit`, for somebody to decide on, or why it teaches nothing.

    JSON values: `before` and `after` with their `prior` and the `figures` of the trials by it, and the counts that the
    fit rests on. No search uses it before `keep`.
    """
    trials = _still_public(report)
    former = read_prior(report.space.slug)
    before = measure(trials, former)
    try:
        fit = fit_prior(trials)
    except ValueError as exc:  # photos went, were hidden or moved, while they were asked for
        report.fit, report.error = None, str(exc)
    else:
        report.fit = {
            "before": {"prior": tell_prior(former), "figures": _figures(before)},
            "after": {"prior": tell_prior(fit.prior), "figures": _figures(measure(trials, fit.prior))},
            "trials": fit.trials,
            "same": fit.same,
            "other": fit.other,
            "answers": dict(fit.by_level),
        }
    finish_report(report, results=before)


def _still_public(report: EvaluationReport) -> list[Trial]:
    """Return the trials of photos that everyone still knows to be where they were, without what is private by now."""
    rows = measurable_photos(report.space, report.audience).values_list("pk", "latitude", "longitude")
    known = {pk: (latitude, longitude) for pk, latitude, longitude in rows}
    seen = set(Photo.objects.all().visible_to(viewer_of(report.audience)).located().values_list("pk", flat=True))
    return [
        replace(trial, sightings=tuple(one for one in trial.sightings if one.photo_id in seen))
        for trial in read_trials(report)
        if known.get(trial.photo_id) == (trial.latitude, trial.longitude)
    ]


# --- deciding -------------------------------------------------------------------------------------------


def newest_proposal(space: EmbeddingSpace) -> EvaluationReport | None:
    """Return the space's newest calibration that waits for somebody to decide on it."""
    return _calibrations(space).filter(state=ReportState.DONE, fit__isnull=False).order_by("-id").first()


def newest_failure(space: EmbeddingSpace) -> EvaluationReport | None:
    """Return the space's newest calibration if it came to nothing; `error` says why."""
    newest = _calibrations(space).exclude(state=ReportState.RUNNING).order_by("-id").first()
    return newest if newest is not None and newest.error else None


def drop(report: EvaluationReport) -> None:
    """Have nothing to decide on, of a proposal and those before it; of one that came to nothing, forget why."""
    before = _calibrations(report.space).filter(pk__lte=report.pk).exclude(state=ReportState.RUNNING)
    before.update(error="", **({} if report.fit is None else {"fit": None}))


@transaction.atomic
def keep(report: EvaluationReport, *, by: User | None = None) -> None:
    """Let searches use what a report proposes; raises `NothingProposedError` where it was decided on already."""
    _lock(report.space)
    waiting = EvaluationReport.objects.filter(pk=report.pk, state=ReportState.DONE, fit__isnull=False).first()
    if waiting is None or waiting.fit is None:
        raise NothingProposedError("this calibration was decided on already")
    prior, n = waiting.fit["after"]["prior"], waiting.fit["trials"]
    intercept, by_fundamental, by_homography = prior["same_place"]
    same_place = {
        "intercept": intercept,
        "fundamental": by_fundamental,
        "homography": by_homography,
        **{name: prior[name] for name in ("threshold", "independence")},
        **{name: waiting.fit[name] for name in ("same", "other")},
    }
    radius = {**{name: prior[name] for name in ("radii_m", "scatter_share")}, "answers": waiting.fit["answers"]}
    _set(report.space, CalibrationKind.SAME_PLACE, same_place, n=n, by=by)
    _set(report.space, CalibrationKind.RADIUS, radius, n=n, by=by)
    drop(waiting)


@transaction.atomic
def take_back(newest: Calibration, *, by: User | None = None) -> None:
    """Let searches use what they used before the newest calibration of places; taking that back brings it again.

    Raises `NothingProposedError` where it is the newest no more: somebody was faster.
    """
    space = newest.space
    _lock(space)
    if newest != newest_calibration(space):
        raise NothingProposedError("the values in use were changed meanwhile: look again")
    for kind in PLACE_KINDS:
        former = next(iter(_history(space, kind)[1:2]), None)
        parameters, n = ({}, 0) if former is None else (former.parameters, former.n)
        _set(space, kind, parameters, n=n, by=by)


def newest_calibration(space: EmbeddingSpace) -> Calibration | None:
    """Return the last change of what searches use for places; its `n` is 0 where that are the shipped values again."""
    return _history(space, CalibrationKind.SAME_PLACE).select_related("set_by").first()


def former_calibration(space: EmbeddingSpace) -> Calibration | None:
    """Return the calibration that `take_back` would bring back, None for the shipped values."""
    former = next(iter(_history(space, CalibrationKind.SAME_PLACE)[1:2]), None)
    return former if former is not None and former.n else None


def _calibrations(space: EmbeddingSpace) -> QuerySet[EvaluationReport]:
    return EvaluationReport.objects.filter(space=space, purpose=ReportPurpose.CALIBRATION)


def _lock(space: EmbeddingSpace) -> None:
    EmbeddingSpace.objects.select_for_update(no_key=True).get(pk=space.pk)


def _history(space: EmbeddingSpace, kind: str) -> QuerySet[Calibration]:
    return Calibration.objects.filter(space=space, kind=kind).order_by("-fitted_at", "-id")


def _set(space: EmbeddingSpace, kind: str, parameters: dict[str, Any], *, n: int, by: User | None) -> None:
    Calibration.objects.create(space=space, kind=kind, parameters=parameters, n=n, set_by=by)


def _figures(measures: dict[str, Any]) -> dict[str, Any]:
    return {
        "answered": measures["answers"]["share"],
        "near": measures["answers"]["precision"]["100"],
        "held": measures["coverage"]["observed"],
        "refused": measures["refusals"]["refused"],
    }
