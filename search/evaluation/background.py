"""Measurements and calibrations that the workers run, a slice at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.db import Error, transaction

from photos import queues
from photos.models import EmbeddingSpace
from search.errors import SearchError
from search.evaluation import calibrating
from search.evaluation.localisation_run import (
    DEFAULT_LIMIT,
    MeasuredElsewhereError,
    MeasurementStoppedError,
    continue_report,
    count_trials,
    finish_report,
    start_report,
    unfinished_report,
)
from search.evaluation_models import Audience, EvaluationReport, ReportPurpose, ReportState

logger = logging.getLogger(__name__)

JOB: Final = "search.jobs.run_evaluation"
PREFIX: Final = "evaluate"
SLICE_S: Final = 60.0
"""Then other jobs get their turn; the next slice goes on."""

_FINISH: Final[dict[str, Callable[[EvaluationReport], None]]] = {
    ReportPurpose.ACCURACY: finish_report,
    ReportPurpose.CALIBRATION: calibrating.finish,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running report has come."""

    report: EvaluationReport
    done: int
    total: int

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.total) if self.total else 100


def running_progress() -> Progress | None:
    """Return how far the report that is running has come; None where none is."""
    running = EvaluationReport.objects.filter(state=ReportState.RUNNING)
    report = running.select_related("space").order_by("-id").first()
    return None if report is None else Progress(report, *count_trials(report))


def request_report(space: EmbeddingSpace) -> EvaluationReport:
    """Have a space measured by the workers, unless that is under way; raises as `start_report` does."""
    return _request(space, ReportPurpose.ACCURACY, Audience.CURATORS, DEFAULT_LIMIT)


def request_calibration(space: EmbeddingSpace) -> EvaluationReport:
    """Have the workers propose a calibration of a space, unless that is under way; raises as `start_report` does."""
    return _request(space, ReportPurpose.CALIBRATION, Audience.EVERYONE, calibrating.TRIALS_LIMIT)


def _request(space: EmbeddingSpace, purpose: ReportPurpose, audience: Audience, limit: int) -> EvaluationReport:
    with transaction.atomic():
        EmbeddingSpace.objects.select_for_update(no_key=True).get(pk=space.pk)
        known = unfinished_report(space, purpose=purpose, audience=audience)
        report = known or start_report(space, purpose=purpose, audience=audience, limit=limit)
        transaction.on_commit(partial(_ring, report.pk), robust=True)
    return report


def run_slice(report_id: int) -> bool:
    """Go on with a report for a while, and ring for the rest; returns whether it is done."""
    report = EvaluationReport.objects.filter(pk=report_id, state=ReportState.RUNNING).first()
    if report is None:
        return False
    try:
        done = continue_report(report, limit_s=SLICE_S, finish=_finish)
    except (MeasuredElsewhereError, MeasurementStoppedError) as exc:
        logger.info("report %d: %s", report_id, exc)
        return False  # to ring at once would be to ask again and again; the reconciler asks later
    if not done:
        _ring(report_id)
    return done


def _finish(report: EvaluationReport) -> None:
    """Work the trials out; what goes wrong there would go wrong again, so the report says so and is over."""
    try:
        _FINISH[report.purpose](report)
    except (SearchError, Error):
        raise
    except Exception as exc:
        running = EvaluationReport.objects.filter(pk=report.pk, state=ReportState.RUNNING)
        running.update(state=ReportState.FAILED, error=f"{type(exc).__name__}: {exc}")
        raise


def requeue() -> int:
    """Ring for the reports that are under way and not in the queue."""
    waiting = queues.waiting_ids("index", prefix=PREFIX)
    running = EvaluationReport.objects.filter(state=ReportState.RUNNING)
    if waiting is None:
        return 0
    ids = [pk for pk in running.values_list("pk", flat=True) if pk not in waiting]
    return queues.ring("index", JOB, ids, prefix=PREFIX)


def _ring(report_id: int) -> None:
    queues.ring("index", JOB, [report_id], prefix=PREFIX)
