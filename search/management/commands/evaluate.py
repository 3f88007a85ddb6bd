"""`manage.py evaluate`: how well this collection places its own photos."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from search.answers import tell_distance
from search.evaluation.accuracy import describe_report
from search.evaluation.localisation_run import ABSENT_M, DEFAULT_LIMIT, read_trials
from search.evaluation.reporting import write_report
from search.evaluation.retrieval_places import evaluate_places
from search.management.measuring import choose_space, run_report
from search.models import Audience


class Command(BaseCommand):
    help = (
        "Ask the collection where its own placed photos were taken, each left out with its near-duplicates, and report"
        " how right the answers are. May be broken off: the workers go on with it. The page /accuracy/ shows the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--space", action="append", metavar="SLUG", help="a space to measure; twice for two side by side"
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the reports there too; - for the output")
        parser.add_argument(
            "--runs",
            type=Path,
            metavar="FOLDER",
            help="write there what was found photo by photo; `python -m search.evaluation compare` reads it",
        )
        parser.add_argument(
            "--audience", choices=Audience.values, default=Audience.CURATORS.value, help="whose view of the collection"
        )
        parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help="ask for so many photos at most")
        parser.add_argument("--all", action="store_true", help="ask for every placed photo")
        parser.add_argument(
            "--absent-m",
            type=float,
            default=ABSENT_M,
            help="ask once more with all photos within so many metres left out: that should be refused",
        )
        parser.add_argument("--fresh", action="store_true", help="begin anew, though a run is under way")

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = options["verbosity"] == 0 or options["json"] == Path("-")
        spaces = [choose_space(slug) for slug in options["space"] or [None]]
        reports = [
            run_report(
                space,
                purpose="accuracy",
                audience=options["audience"],
                quiet=quiet,
                limit=None if options["all"] else options["limit"],
                absent_m=options["absent_m"],
                fresh=options["fresh"],
            )
            for space in spaces
        ]
        told = [describe_report(report) for report in reports]
        if options["json"] is not None:
            self._write(options["json"], told)
        if options["runs"] is not None:
            options["runs"].mkdir(parents=True, exist_ok=True)
            for report in reports:
                slug = report.space.slug
                found = evaluate_places(read_trials(report), name=slug)
                write_report(options["runs"] / f"{slug}.json", found)
        if options["json"] != Path("-"):
            for line in table_lines(told):
                self.stdout.write(line)

    def _write(self, path: Path, told: list[dict[str, Any]]) -> None:
        text = json.dumps(told if len(told) > 1 else told[0], indent=2, ensure_ascii=False, allow_nan=False)
        if path == Path("-"):
            self.stdout.write(text)
        else:
            path.write_text(text + "\n", encoding="utf-8")


def table_lines(told: Sequence[dict[str, Any]]) -> list[str]:
    """Return the reports side by side as lines of text."""
    results = [one["results"] for one in told]
    lines = [_line("", [one["space"] for one in told]), _line("photos asked for", [one["n"] for one in results])]
    for limit in ("25", "100", "1000", "25000"):
        for k in (1, 5, 10):
            shares = [one["recall"][limit][f"at_{k}_of_findable"] for one in results]
            name = f"R@{k} at {tell_distance(float(limit))}, of those there to be found"
            lines.append(_line(name, [_percent(share) for share in shares]))
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("answered", lambda one: _percent(one["answers"]["share"])),
        ("median error of answers", lambda one: _metres(one["answers"]["median_error_m"])),
        ("answers within 25 m", lambda one: _percent(one["answers"]["precision"]["25"])),
        ("answers within 100 m", lambda one: _percent(one["answers"]["precision"]["100"])),
        ("answers within 1 km", lambda one: _percent(one["answers"]["precision"]["1000"])),
        ("answers within 25 km", lambda one: _percent(one["answers"]["precision"]["25000"])),
        ("truth inside the circle (claimed 90 %)", lambda one: _percent(one["coverage"]["observed"])),
        ("median radius", lambda one: _metres(one["coverage"]["median_radius_m"])),
        ("places that are not there, refused", lambda one: _percent(one["refusals"]["refused"])),
        ("baseline (similarity over .75): answered", lambda one: _percent(one["baseline"]["share"])),
        ("baseline: within 100 m", lambda one: _percent(one["baseline"]["precision"]["100"])),
        ("median time of a question", lambda one: "-" if one["took_ms"] is None else f"{one['took_ms']:.0f} ms"),
    ]
    return lines + [_line(name, [tell(one) for one in results]) for name, tell in rows]


def _line(name: str, values: Sequence[Any]) -> str:
    return f"{name:46}" + "".join(f"{value!s:>26}" for value in values)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _metres(distance_m: float | None) -> str:
    return "-" if distance_m is None else tell_distance(distance_m)
