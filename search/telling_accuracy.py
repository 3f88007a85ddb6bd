"""An accuracy report in words and tables, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from search.answers import tell_distance

DISTANCES = ("25", "100", "1000", "25000")


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its heading row; the first cell of each row is that row's heading."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that matters, of each report, with what it means."""

    name: str
    values: tuple[str, ...]
    meaning: str


def summarize(told: Sequence[dict[str, Any]]) -> list[Figure]:
    """Return the four numbers that say how far an answer can be trusted."""
    results = [one["results"] for one in told]
    refused = tuple(percent(one["refusals"]["refused"]) for one in results)
    return [
        Figure(
            _("get an answer"),
            tuple(percent(one["answers"]["share"]) for one in results),
            _("The others are told “cannot place”."),
        ),
        Figure(
            _("of the answers are within 100 m"),
            tuple(percent(one["answers"]["precision"]["100"]) for one in results),
            _("Half of all answers are nearer than %s.")
            % ", ".join(metres(one["answers"]["median_error_m"]) for one in results),
        ),
        Figure(
            _("of the circles hold the true place"),
            tuple(percent(one["coverage"]["observed"]) for one in results),
            _("They claim to do so 90 % of the time."),
        ),
        Figure(
            _("of the places that are not here are refused"),
            refused,
            _("Asked once more with the whole place left out."),
        ),
    ]


def tell_rows(told: Sequence[dict[str, Any]]) -> dict[str, list[Table]]:
    """Return the tables by where they stand on the page, one for each report."""
    return {
        "risk": [_risk_table(one) for one in told],
        "circle": [_circle_table(one) for one in told],
        "levels": [_level_table(one) for one in told],
        "histogram": [_histogram_table(one) for one in told],
        "answers": [_answer_table(one) for one in told],
        "recall": [_recall_table(one) for one in told],
        "tags": [_group_table(one, "by_tag", _("By tag")) for one in told if one["results"]["by_tag"]],
        "years": [_group_table(one, "by_year", _("By year")) for one in told if one["results"]["by_year"]],
    }


def error_labels(told: dict[str, Any]) -> list[str]:
    """Return short words for the ranges of the histogram: where each begins."""
    return [_("< 10 m"), *(tell_distance(row["from_m"]) for row in told["results"]["histogram"][1:])]


def _answer_table(told: dict[str, Any]) -> Table:
    results = told["results"]
    likeliest = {"share": 1.0 if results["n"] else None, **results["answers"]["forced"]}
    ways = (results["answers"], likeliest, results["baseline"])
    rows = [(_("told a place"), *(percent(way["share"]) for way in ways))]
    rows += [
        (
            _("within %s") % tell_distance(float(limit)),
            *(percent(way["precision"][limit]) for way in ways),
        )
        for limit in DISTANCES
    ]
    rows.append((_("median error"), *(metres(way["median_error_m"]) for way in ways)))
    return Table(
        _("Answers, and what they are held against"),
        ("", _("our answers"), _("always the likeliest place"), _("baseline: most similar photo, over .75")),
        tuple(rows),
        _("The baseline is the plain rule “similarity over 0.75 gives coordinates”; the site never answers by it."),
    )


def _recall_table(told: dict[str, Any]) -> Table:
    rows = []
    for limit in DISTANCES:
        row = told["results"]["recall"][limit]
        shares = (percent(row[f"at_{k}_of_findable"]) for k in (1, 5, 10))
        rows.append((tell_distance(float(limit)), str(row["findable"]), *shares))
    return Table(
        _("A photo from nearby among the first found"),
        (_("nearby is within"), _("photos with one to be found"), "R@1", "R@5", "R@10"),
        tuple(rows),
    )


def _level_table(told: dict[str, Any]) -> Table:
    words = {
        "several": _("several photos confirm it"),
        "strong": _("one does, overwhelmingly"),
        "single": _("one does"),
    }
    levels = told["results"]["coverage"]["by_level"]
    rows = [
        (
            words.get(level, level),
            str(one["n"]),
            metres(one["median_radius_m"]),
            percent(one["observed"]),
            interval(one["interval"]),
        )
        for level, one in levels.items()
    ]
    return Table(
        _("Circles by their evidence"),
        (_("evidence"), _("answers"), _("median radius"), _("hold the truth"), _("95 % sure it is between")),
        tuple(rows),
    )


def _risk_table(told: dict[str, Any]) -> Table:
    points = told["results"]["risk_coverage"]
    step = max(1, len(points) // 12)
    chosen = points[::step] if not points or points[-1] in points[::step] else [*points[::step], points[-1]]
    rows = [
        (
            percent(point["share"]),
            percent(point["probability"]),
            *(percent(point["wrong"][limit]) for limit in DISTANCES),
        )
        for point in chosen
    ]
    limits = (_("wrong by over %s") % tell_distance(float(limit)) for limit in DISTANCES)
    return Table(_("Risk by share answered"), (_("answered"), _("down to probability"), *limits), tuple(rows))


def _circle_table(told: dict[str, Any]) -> Table:
    rows = [
        (f"{point['ratio']:g}×", percent(point["share"]))
        for point in told["results"]["radius_ratios"]
        if point["share"] is not None
    ]
    return Table(_("Errors in radii"), (_("within so many radii"), _("of the answers")), tuple(rows))


def _histogram_table(told: dict[str, Any]) -> Table:
    rows = []
    for row in told["results"]["histogram"]:
        start = tell_distance(row["from_m"]) if row["from_m"] else "0 m"
        end = "…" if row["to_m"] is None else tell_distance(row["to_m"])
        rows.append((f"{start} – {end}", str(row["answered"]), str(row["untold"])))
    return Table(_("Errors"), (_("error"), _("told"), _("kept back")), tuple(rows))


def _group_table(told: dict[str, Any], name: str, title: str) -> Table:
    rows = [
        (
            one["name"],
            str(one["n"]),
            percent(one["share"]),
            percent(one["precision"]["100"]),
            metres(one["median_error_m"]),
            percent(one["held"]),
        )
        for one in sorted(told["results"][name], key=lambda group: (name == "by_tag" and -group["n"], group["name"]))
    ]
    headings = ("", _("photos"), _("answered"), _("within 100 m"), _("median error"), _("in the circle"))
    return Table(title, headings, tuple(rows))


def percent(share: float | None) -> str:
    """Return a share in whole per cent, and in tenths next to the ends, where they matter."""
    if share is None:
        return "–"
    digits = 0 if share in {0.0, 1.0} or 0.02 < share < 0.98 else 1
    return f"{100 * share:.{digits}f} %"


def metres(distance_m: float | None) -> str:
    return "–" if distance_m is None else tell_distance(distance_m)


def interval(bounds: Sequence[float] | None) -> str:
    return "–" if bounds is None else f"{percent(bounds[0])} – {percent(bounds[1])}"
