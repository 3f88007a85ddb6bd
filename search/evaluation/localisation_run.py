"""Asking the collection for its own photos, one left out at a time: resumable, and kept trial by trial."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from photos.models import EmbeddingSpace
from photos.services.spaces import require_searchable
from search.calibration import PlacePrior, read_prior
from search.candidates import weights_for
from search.errors import SearchError
from search.evaluation.held_out import Gallery, load_gallery, measurable_photos
from search.evaluation.localisation import (
    Trial,
    conclude_trial,
    from_record,
    outcome_to_record,
    to_record,
)
from search.evaluation.localisation_measures import measure
from search.evaluation.trial_run import TrialRunner
from search.evaluation_models import Audience, EvaluationReport, EvaluationTrial, ReportPurpose, ReportState
from search.services import VERIFIED

ABSENT_M: Final = 200.0
"""A place counts as left out when no photo from so near is in the collection."""

LEAST_REMAINING: Final = 20
"""With fewer placed photos elsewhere, refusing proves nothing."""

DEFAULT_LIMIT: Final = 500
KEPT_REPORTS: Final = 20
_PORTION: Final = 16
_LOCK: Final = 0x6576616C
_CODE: Final = ("geolocator", "photos", "search")
_STOPPED: Final = "somebody stopped the measurement; nothing of it was kept"


class NothingToMeasureError(SearchError):
    """No photo has a known place."""


class MeasuredElsewhereError(SearchError):
    """Another process is at this measurement."""

    permanent = False


class MeasurementStoppedError(SearchError):
    """Somebody stopped the measurement meanwhile."""


@transaction.atomic
def start_report(
    space: EmbeddingSpace,
    *,
    purpose: str = ReportPurpose.ACCURACY,
    audience: str = Audience.CURATORS,
    limit: int | None = DEFAULT_LIMIT,
    absent_m: float = ABSENT_M,
) -> EvaluationReport:
    """Choose the photos to ask for, the same ones every time, and keep them as waiting trials.

    All at once: a worker that finds a report without its trials takes it for done.

    `limit` None takes all. Raises `NothingToMeasureError`, and `SpaceIncompleteError` for a space that is half-built.
    """
    require_searchable(space)
    rows = measurable_photos(space, audience).order_by("pk").values_list("pk", "latitude", "longitude")
    points = [(pk, float(latitude or 0.0), float(longitude or 0.0)) for pk, latitude, longitude in rows]
    if not points:
        raise NothingToMeasureError(
            f"no photo described in {space.slug!r} has a place that {audience} may know exactly"
        )
    chosen = points if limit is None or len(points) <= limit else random.Random(0).sample(points, limit)  # noqa: S311 - a sample, no secret
    gallery = load_gallery(space, audience)
    report = EvaluationReport.objects.create(
        space=space,
        purpose=purpose,
        audience=audience,
        code_version=code_version(),
        settings=_settings(space, limit, absent_m, placed=len(points)),
    )
    absent = [row for row in chosen if _stays_telling(gallery, row, absent_m)]
    trials = [EvaluationTrial(report=report, photo_id=row[0], is_absent=False) for row in chosen]
    trials += [EvaluationTrial(report=report, photo_id=row[0], is_absent=True) for row in absent]
    EvaluationTrial.objects.bulk_create(trials, batch_size=2000)
    return report


def unfinished_report(space: EmbeddingSpace, *, purpose: str, audience: str) -> EvaluationReport | None:
    """Return a report that was broken off, to go on with."""
    same = EvaluationReport.objects.filter(space=space, purpose=purpose, audience=audience)
    return same.filter(state=ReportState.RUNNING).order_by("-id").first()


def continue_report(
    report: EvaluationReport,
    *,
    limit_s: float | None = None,
    progress: Callable[[int], object] | None = None,
    finish: Callable[[EvaluationReport], object] | None = None,
) -> bool:
    """Run the trials that wait, for at most `limit_s` seconds; returns whether the report is done.

    `finish`, by default `finish_report`, has the last word when all are.

    One process at a time: another's call raises `MeasuredElsewhereError` at once; `MeasurementStoppedError` says that
    the report is gone. `progress` gets 1 for each trial.
    """
    with _alone(report):
        began = time.monotonic()
        runner = TrialRunner.of(report)
        while waiting := list(_waiting(report)[:_PORTION]):
            for row in waiting:
                _keep_record(row, to_record(runner.run(row.photo, is_absent=row.is_absent)))
                if progress is not None:
                    progress(1)
                if limit_s is not None and time.monotonic() - began > limit_s:
                    return False
        if limit_s is not None and time.monotonic() - began > limit_s / 2:
            return False  # what is left to do may take as long again
        (finish or finish_report)(report)
    return True


def finish_report(report: EvaluationReport, *, results: dict[str, Any] | None = None) -> None:
    """Work the trials out into the report's results, unless they are given, and keep all of it at once.

    Raises `MeasurementStoppedError` where the report is not running any more.
    """
    prior = read_prior(report.space.slug)
    if report.purpose == ReportPurpose.ACCURACY:
        _note_outcomes(report, prior)
    report.results = results or measure(read_trials(report), prior)
    report.settings = {**report.settings, "prior": tell_prior(prior)}
    report.state, report.finished_at = ReportState.DONE, timezone.now()
    changed = ("results", "settings", "fit", "error", "state", "finished_at")
    running = EvaluationReport.objects.filter(pk=report.pk, state=ReportState.RUNNING)
    if not running.update(**{name: getattr(report, name) for name in changed}):
        raise MeasurementStoppedError(_STOPPED)
    prune_reports(report)


def stop_report(report_id: int) -> bool:
    """Give a running report up: what it found so far is gone, and so is it; returns whether one was running."""
    found, _ = EvaluationReport.objects.filter(pk=report_id, state=ReportState.RUNNING).delete()
    return found > 0


def _keep_record(row: EvaluationTrial, record: dict[str, Any]) -> None:
    """Keep a trial's record, unless its photo is gone meanwhile."""
    kept = EvaluationTrial.objects.filter(pk=row.pk).update(record=record)
    if not kept and not EvaluationReport.objects.filter(pk=row.report_id).exists():
        raise MeasurementStoppedError(_STOPPED)


def _note_outcomes(report: EvaluationReport, prior: PlacePrior) -> None:
    """Keep what each photo was told beside its trial, for the map."""
    rows = list(report.trials.filter(is_absent=False, record__isnull=False))
    for row in rows:
        record = dict(row.record or {})
        outcome = conclude_trial(from_record(record), prior)
        row.record = {**record, "outcome": outcome_to_record(outcome, prior)}
    EvaluationTrial.objects.bulk_update(rows, ["record"], batch_size=500)


def read_trials(report: EvaluationReport) -> list[Trial]:
    records = report.trials.filter(record__isnull=False).order_by("id").values_list("record", flat=True)
    return [from_record(record) for record in records if record is not None]


def count_trials(report: EvaluationReport) -> tuple[int, int]:
    """Return how many trials are done, and how many there are."""
    total = report.trials.count()
    return total - _waiting(report).count(), total


def prune_reports(newest: EvaluationReport) -> None:
    """Keep the trials of the newest report only, and the numbers of the last few."""
    older = EvaluationReport.objects.filter(space=newest.space, purpose=newest.purpose, id__lt=newest.pk)
    EvaluationTrial.objects.filter(report__in=older).delete()
    stale = older.order_by("-id").values_list("pk", flat=True)[KEPT_REPORTS:]
    EvaluationReport.objects.filter(pk__in=list(stale)).delete()


def tell_prior(prior: PlacePrior) -> dict[str, Any]:
    return {
        "same_place": list(prior.same_place),
        "radii_m": dict(prior.radii_m),
        "scatter_share": prior.scatter_share,
        "independence": prior.independence,
        "threshold": prior.threshold,
        "max_p_same": prior.max_p_same,
        "fitted_on": prior.fitted_on,
    }


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the version, and after a plus the beginning of a digest of the code: equal for equal code alone."""
    digest = hashlib.sha256()
    for path in sorted(path for part in _CODE for path in (settings.BASE_DIR / part).rglob("*.py")):
        digest.update(path.relative_to(settings.BASE_DIR).as_posix().encode() + b"\0" + path.read_bytes())
    try:
        release = version("geolocator")
    except PackageNotFoundError:
        release = "unknown"
    return f"{release}+{digest.hexdigest()[:12]}"


# --- around it ------------------------------------------------------------------------------------------


def _waiting(report: EvaluationReport) -> Any:
    """Return the trials to be run: not those of photos that have lost their place meanwhile."""
    waiting = report.trials.filter(record__isnull=True, photo__latitude__isnull=False)
    return waiting.select_related("photo").order_by("id")


def _stays_telling(gallery: Gallery, row: tuple[int, float, float], absent_m: float) -> bool:
    return len(gallery.ids) - len(gallery.around(row[1], row[2], absent_m)) >= LEAST_REMAINING


def _settings(space: EmbeddingSpace, limit: int | None, absent_m: float, *, placed: int) -> dict[str, Any]:
    return {
        "limit": limit,
        "placed_photos": placed,
        "absent_m": absent_m,
        "verified": VERIFIED,
        "segmenter": space.segmenter,
        "weights": asdict(weights_for(space)),
        "prior": tell_prior(read_prior(space.slug)),
    }


@contextmanager
def _alone(report: EvaluationReport) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, report.pk % 2**31])
        if not cursor.fetchone()[0]:
            raise MeasuredElsewhereError("another process is at this measurement; it is kept, look again later")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, report.pk % 2**31])
