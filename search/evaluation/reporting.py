"""Reports for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from photos.vision.interchange.whole_files import whole_file
from search.evaluation import retrieval
from search.evaluation.comparison import Comparison
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import RetrievalReport

_NAMES_SHOWN = 3


def report_lines(report: RetrievalReport) -> Iterator[str]:
    """Yield the report for people, in per cent: `mAP@10 = 41.98`."""
    yield f"{report.name}: {len(report.results)} queries"
    for names, what in ((report.unanswered, "without a ranking do not count"), (report.pointless, "have no answer")):
        if names:
            shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
            yield f"  {len(names)} {what}: {shown}"
    if short := report.short:
        told = f"{short.count} rankings are shorter than k = {short.k}, the shortest has {short.shortest}"
        yield f"  {told}: what they leave out counts as not found"
    yield ""
    yield from _value_lines(report.means)
    for kind, groups in report.breakdowns.items():
        yield ""
        yield f"by {kind}"
        yield from _value_lines(groups, indent="  ")


def comparison_lines(found: Comparison) -> Iterator[str]:
    """Yield the comparison for people, in per cent."""
    unit = "queries" if found.units == found.queries else f"queries of {found.units} instances"
    yield f"{found.measure} over {found.queries} {unit}"
    yield ""
    yield from _value_lines({"first": found.first, "second": found.second})
    yield f"difference = {100 * found.difference:+.2f}"
    yield f"{found.confidence:.0%} between {100 * found.low:+.2f} and {100 * found.high:+.2f}, p = {found.p_value:.4g}"
    yield f"better on {found.better} queries, worse on {found.worse}"


def write_report(path: Path, report: RetrievalReport, more: Mapping[str, Any] | None = None) -> None:
    """Write the report as JSON, whole or not at all, with what `more` adds."""
    _write(path, retrieval.to_json(report) | dict(more or {}))


def write_comparison(path: Path, found: Comparison) -> None:
    _write(path, asdict(found))


def read_report(path: Path) -> RetrievalReport:
    """Return a report that `write_report` wrote; raises `EvaluationError`."""
    try:
        return retrieval.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise EvaluationError(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise EvaluationError(f"{path} is no report of an evaluation, as `--json` writes one") from exc


def _value_lines(values: Mapping[str, float], *, indent: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield f"{indent}{name} = {100 * value:.2f}"


def _write(path: Path, found: Mapping[str, Any]) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
