"""Photos over time, as a drawing: a bar for each year, or each month where all is recent."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.db.models import Count
from django.db.models.functions import TruncMonth
from django.utils.formats import date_format

from photos.querysets import PhotoQuerySet

WIDTH: Final = 720
HEIGHT: Final = 120
MOST_MONTHS: Final = 30
MOST_BARS: Final = 80
_GAP: Final = 0.18
_LEAST: Final = 3.0
"""A single photo shows, too."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Photos of a span of time, `first` and `last` included; geometry in units of the drawing."""

    first: date
    last: date
    name: str
    count: int
    x: float
    y: float
    width: float
    height: float


def timeline_of(photos: PhotoQuerySet) -> list[Bar]:
    """Return the bars for when the photos were taken, the earliest first, without those that do not say."""
    rows = (
        photos.filter(taken_at__isnull=False)
        .order_by()
        .annotate(month=TruncMonth("taken_at"))
        .values_list("month")
        .annotate(count=Count("pk"))
    )
    return bars_of({month.date(): count for month, count in rows})


def bars_of(months: dict[date, int]) -> list[Bar]:
    """Return bars from counts by the first day of each month."""
    if not months:
        return []
    first, last = min(months), max(months)
    number = (last.year - first.year) * 12 + last.month - first.month + 1
    spans = list(_months(first, number)) if number <= MOST_MONTHS else list(_years(first, last))
    counts = [sum(count for month, count in months.items() if begin <= month <= end) for begin, end, _name in spans]
    return list(_draw(spans, counts))


def _months(first: date, number: int) -> Iterable[tuple[date, date, str]]:
    for index in range(number):
        begin = _month(first, index)
        end = begin.replace(day=monthrange(begin.year, begin.month)[1])
        yield begin, end, date_format(begin, "YEAR_MONTH_FORMAT")


def _month(first: date, index: int) -> date:
    years, months = divmod(first.month - 1 + index, 12)
    return date(first.year + years, months + 1, 1)


def _years(first: date, last: date) -> Iterable[tuple[date, date, str]]:
    """Years, or spans of several where a single one would be too thin to see."""
    step = -(-(last.year - first.year + 1) // MOST_BARS)
    for year in range(first.year, last.year + 1, step):
        until = min(year + step - 1, last.year)
        yield date(year, 1, 1), date(until, 12, 31), str(year) if until == year else f"{year}–{until}"


def _draw(spans: list[tuple[date, date, str]], counts: list[int]) -> Iterable[Bar]:
    step = WIDTH / len(spans)
    most: Any = max(counts)
    for index, ((first, last, name), count) in enumerate(zip(spans, counts, strict=True)):
        height = max(_LEAST, HEIGHT * count / most) if count else 0.0
        width = min(step * (1 - _GAP), 48.0)
        x = index * step + (step - width) / 2
        yield Bar(first, last, name, count, round(x, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2))
