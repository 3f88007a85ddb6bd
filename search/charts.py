"""Charts as plain geometry that templates draw in SVG: no script, and the numbers stand in a table beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 520
HEIGHT: Final = 260
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 42
"""Room for the axes' words, in the units of the view box."""


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series: `points` as SVG's polyline wants them, and its dots."""

    label: str
    points: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template draws; `marks` are vertical or horizontal lines that mean something."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...] = ()
    bars: tuple[Bar, ...] = ()
    across: float | None = None
    upright: float | None = None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def draw_lines(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    *,
    x_ticks: Sequence[tuple[float, str]],
    y_top: float = 1.0,
    across: float | None = None,
    upright: float | None = None,
) -> Chart:
    """Draw series of (x, y), x over the range of its ticks and y from 0 to `y_top`, both linear."""
    low, high = x_ticks[0][0], x_ticks[-1][0]

    def place(x: float, y: float) -> tuple[float, float]:
        return _x((x - low) / (high - low)), _y(min(y, y_top) / y_top)

    return Chart(
        x_ticks=tuple(Tick(_x((value - low) / (high - low)), label) for value, label in x_ticks),
        y_ticks=percent_ticks(y_top),
        lines=tuple(_line(label, [place(x, y) for x, y in points]) for label, points in series if points),
        across=None if across is None else _y(across / y_top),
        upright=None if upright is None else _x((upright - low) / (high - low)),
    )


def _line(label: str, places: Sequence[tuple[float, float]]) -> Line:
    return Line(label, " ".join(f"{x:.1f},{y:.1f}" for x, y in places), tuple(places))


def draw_columns(columns: Sequence[tuple[str, Sequence[tuple[str, int]]]]) -> Chart:
    """Draw stacked columns: each has its label and its parts (kind, count), from the bottom up."""
    highest = max((sum(count for _, count in parts) for _, parts in columns), default=0)
    top = _round_up(max(highest, 1))
    step = 1.0 / max(len(columns), 1)
    bars, ticks = [], []
    for index, (label, parts) in enumerate(columns):
        left, below = _x(step * (index + 0.12)), 0
        ticks.append(Tick(_x(step * (index + 0.5)), label))
        for kind, count in parts:
            if count:
                start, end = _y(below / top), _y((below + count) / top)
                bars.append(Bar(left, end, _x(step * 0.76) - LEFT, start - end, kind))
                below += count
    values = sorted({0, top // 2, top})
    return Chart(
        x_ticks=tuple(ticks),
        y_ticks=tuple(Tick(_y(value / top), str(value)) for value in values),
        bars=tuple(bars),
    )


def percent_ticks(top: float) -> tuple[Tick, ...]:
    values = [top * part / 4 for part in range(5)]
    return tuple(Tick(_y(value / top), f"{100 * value:.3g} %") for value in values)


def nice_top(values: Sequence[float]) -> float:
    """Return the least of a few round shares that none of `values` is above."""
    highest = max(values, default=0.0)
    return next((top for top in (0.04, 0.08, 0.2, 0.4, 0.6, 0.8) if highest <= top), 1.0)


def _round_up(count: int) -> int:
    step = next(step for step in (2, 4, 10, 20, 50, 100, 200, 500, 1000, 10**9) if count <= 10 * step)
    return -(-count // step) * step


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 2)


# --- the three of a report ------------------------------------------------------------------------------


def risk_chart(reports: Sequence[dict[str, Any]], *, distance: str) -> Chart:
    """Draw how many answers are wrong by more than a distance, the surest answered first."""
    series = [
        (one["space"], [(point["share"] or 0.0, point["wrong"][distance]) for point in one["results"]["risk_coverage"]])
        for one in reports
    ]
    top = nice_top([y for _, points in series for _, y in points])
    ticks = [(part / 4, f"{25 * part} %") for part in range(5)]
    return draw_lines(series, x_ticks=ticks, y_top=top)


def circle_chart(reports: Sequence[dict[str, Any]]) -> Chart:
    """Draw how many answers lie within so many times their radius; at once the radius nine of ten should."""
    series = [
        (
            one["space"],
            [(0.0, 0.0)]
            + [
                (point["ratio"], point["share"])
                for point in one["results"]["radius_ratios"]
                if point["share"] is not None and point["ratio"] <= CIRCLE_END
            ],
        )
        for one in reports
        if one["results"]["answers"]["answered"]
    ]
    ticks = [(float(value), f"{value}×") for value in (0, 0.5, 1, 1.5, 2)]
    return draw_lines(series, x_ticks=ticks, across=0.9, upright=1.0)


CIRCLE_END: Final = 2.0


def error_chart(report: dict[str, Any], labels: Sequence[str]) -> Chart:
    """Draw how many errors fall in each range, those told below those kept back."""
    columns = [
        (label, [("told", row["answered"]), ("kept-back", row["untold"])])
        for label, row in zip(labels, report["results"]["histogram"], strict=True)
    ]
    return draw_columns(columns)
