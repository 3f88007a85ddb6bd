"""What the commands that measure share: the space asked for, and a run with its progress."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from photos.errors import CollectionError
from photos.models import EmbeddingSpace
from photos.services.spaces import active_space, require_searchable
from photos.services.switching import find_space
from search.evaluation.localisation_run import (
    MeasuredElsewhereError,
    MeasurementStoppedError,
    NothingToMeasureError,
    continue_report,
    count_trials,
    start_report,
    stop_report,
    unfinished_report,
)
from search.models import EvaluationReport


def choose_space(slug: str | None) -> EmbeddingSpace:
    """Return the space of that slug, or the active one; raises `CommandError`, also for one that is half-built."""
    try:
        space = active_space() if slug is None else find_space(slug)
        if space is None:
            raise CommandError(f"there is no space {slug!r}; `manage.py models list` shows them")
        require_searchable(space)
    except CollectionError as exc:
        raise CommandError(str(exc)) from exc
    return space


def run_report(space: EmbeddingSpace, *, purpose: str, audience: str, quiet: bool, **options: Any) -> EvaluationReport:
    """Go on with a run that was broken off, or start one; returns it when it is done."""
    finish = options.pop("finish", None)
    report = unfinished_report(space, purpose=purpose, audience=audience)
    if options.pop("fresh") and report is not None:
        stop_report(report.pk)
        report = None
    if report is not None:
        _refuse_others(report, options)
    try:
        report = report or start_report(space, purpose=purpose, audience=audience, **options)
    except NothingToMeasureError as exc:
        raise CommandError(str(exc)) from exc
    done, total = count_trials(report)
    with tqdm(total=total, initial=done, unit="trial", desc=space.slug, disable=quiet) as bar:
        try:
            continue_report(report, progress=bar.update, finish=finish)
        except (MeasuredElsewhereError, MeasurementStoppedError) as exc:
            raise CommandError(str(exc)) from exc
    return report


def _refuse_others(report: EvaluationReport, options: dict[str, Any]) -> None:
    """Raise `CommandError` where a run that was broken off asks otherwise than what is asked for now."""
    begun = {name: report.settings.get(name, value) for name, value in options.items()}
    if begun != options:
        told = ", ".join(f"{name} {value}" for name, value in begun.items())
        raise CommandError(f"a run with {told} is under way: go on with it so, or begin anew with --fresh")
