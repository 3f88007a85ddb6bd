"""Fitting a space's prior to the collection, proposing it, keeping it, taking it back.

Only photos that everyone may see, at places that everyone may know, shape a calibration: what it stores are a few
numbers over all of them, and none of these can tell of a private photo or a hidden place.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from photos.models import EmbeddingSpace
from search.calibration import SHIPPED_PRIOR, read_prior
from search.errors import SearchError
from search.evaluation.fitting import fit_prior
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
    trials = read_trials(report)
    try:
        fit, former = fit_prior(trials), read_prior(report.space.slug)
    except ValueError as exc:  # photos went, or were moved, while they were asked for
        report.error = str(exc)
    else:
        report.fit = {
            "before": {"prior": tell_prior(former), "figures": _figures(measure(trials, former))},
            "after": {"prior": tell_prior(fit.prior), "figures": _figures(measure(trials, fit.prior))},
            "trials": fit.trials,
            "same": fit.same,
            "other": fit.other,
            "answers": dict(fit.by_level),
        }
    report.save(update_fields=["fit", "error"])
    finish_report(report)


def newest_proposal(space: EmbeddingSpace) -> EvaluationReport | None:
    """Return the space's newest calibration that waits for somebody to decide on it, or that came to nothing."""
    done = EvaluationReport.objects.filter(space=space, purpose=ReportPurpose.CALIBRATION, state=ReportState.DONE)
    return done.filter(Q(fit__isnull=False) | ~Q(error="")).order_by("-id").first()


def drop_proposals(space: EmbeddingSpace) -> None:
    """Have nothing to decide on any more."""
    EvaluationReport.objects.filter(space=space, purpose=ReportPurpose.CALIBRATION).update(fit=None, error="")


@transaction.atomic
def keep(report: EvaluationReport, *, by: User | None = None) -> None:
    """Let searches use what a report proposes; raises `NothingProposedError` where it was decided on already."""
    locked = EvaluationReport.objects.select_for_update(of=("self",)).filter(pk=report.pk, fit__isnull=False).first()
    if locked is None or locked.fit is None:
        raise NothingProposedError("this calibration was decided on already")
    prior, n = locked.fit["after"]["prior"], locked.fit["trials"]
    intercept, by_fundamental, by_homography = prior["same_place"]
    same_place = {
        "intercept": intercept,
        "fundamental": by_fundamental,
        "homography": by_homography,
        **{name: prior[name] for name in ("threshold", "independence")},
        **{name: locked.fit[name] for name in ("same", "other")},
    }
    radius = {**{name: prior[name] for name in ("radii_m", "scatter_share")}, "answers": locked.fit["answers"]}
    _set(report.space, CalibrationKind.SAME_PLACE, same_place, n=n, by=by)
    _set(report.space, CalibrationKind.RADIUS, radius, n=n, by=by)
    drop_proposals(report.space)


@transaction.atomic
def take_back(space: EmbeddingSpace, *, by: User | None = None) -> None:
    """Let searches use what they used before the newest calibration of places; once more brings that back.

    Raises `NothingProposedError` where there was none.
    """
    EmbeddingSpace.objects.select_for_update(no_key=True).get(pk=space.pk)
    for kind in PLACE_KINDS:
        newest, former = ([*_history(space, kind)[:2], None, None])[:2]
        if newest is None:
            raise NothingProposedError(
                f"no calibration of {space.slug!r} can be taken back: it uses the shipped values"
            )
        parameters = _shipped(kind) if former is None else former.parameters
        _set(space, kind, parameters, n=0 if former is None else former.n, by=by)


def in_force(space: EmbeddingSpace) -> Calibration | None:
    """Return the calibration of places that searches use, None where the shipped values are in use."""
    newest = _history(space, CalibrationKind.SAME_PLACE).select_related("set_by").first()
    return newest if newest is not None and newest.n else None


def former_calibration(space: EmbeddingSpace) -> Calibration | None:
    """Return the calibration that `take_back` would bring back, None for the shipped values."""
    former = list(_history(space, CalibrationKind.SAME_PLACE)[1:2])
    return former[0] if former and former[0].n else None


def has_history(space: EmbeddingSpace) -> bool:
    """Whether there is anything to take back."""
    return _history(space, CalibrationKind.SAME_PLACE).exists()


def _history(space: EmbeddingSpace, kind: str) -> QuerySet[Calibration]:
    return Calibration.objects.filter(space=space, kind=kind).order_by("-fitted_at", "-id")


def _shipped(kind: str) -> dict[str, Any]:
    told = tell_prior(SHIPPED_PRIOR)
    if kind == CalibrationKind.RADIUS:
        return {name: told[name] for name in ("radii_m", "scatter_share")}
    weights = dict(zip(("intercept", "fundamental", "homography"), told["same_place"], strict=True))
    return {**weights, **{name: told[name] for name in ("threshold", "independence")}}


def _set(space: EmbeddingSpace, kind: str, parameters: dict[str, Any], *, n: int, by: User | None) -> None:
    Calibration.objects.create(space=space, kind=kind, parameters=parameters, n=n, set_by=by)


def _figures(measures: dict[str, Any]) -> dict[str, Any]:
    return {
        "answered": measures["answers"]["share"],
        "near": measures["answers"]["precision"]["100"],
        "held": measures["coverage"]["observed"],
        "refused": measures["refusals"]["refused"],
    }
