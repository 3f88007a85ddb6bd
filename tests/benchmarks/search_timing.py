"""Several ways to do the same take turns on the same questions; times, answers and tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

Answer: TypeAlias = Any

TURN: Final = 10


@dataclass(frozen=True, slots=True)
class Way:
    """One way to answer question number `index`; a slow one is asked only every so many questions.

    `prepare` is called before each turn, and its time does not count.
    """

    name: str
    ask: Callable[[int], Answer]
    every: int = 1
    prepare: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Course:
    """How a way did: milliseconds and answers by question."""

    name: str
    times_ms: dict[int, float] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.times_ms.values())

    def percentile_ms(self, percent: float) -> float:
        return float(np.percentile(list(self.times_ms.values()), percent))

    def share(self, judge: Callable[[int, Answer], float]) -> float:
        """Return the mean of a figure of each answer, such as its recall."""
        return statistics.fmean(judge(index, answer) for index, answer in self.answers.items())


def take_turns(ways: Sequence[Way], questions: int, *, warm_up: int = 3) -> dict[str, Course]:
    """Ask all ways every question, in turns of `TURN`, in an order that changes; `warm_up` times before it counts.

    A turn is more than one question since FAISS Flat or numpy, going through all vectors, leave cold caches behind.
    """
    courses = {way.name: Course(way.name) for way in ways}
    for way in ways:
        way.prepare()
        for index in range(warm_up):
            way.ask(index % questions)
    for number, start in enumerate(range(0, questions, TURN)):
        first = number % len(ways)
        for way in [*ways[first:], *ways[:first]]:
            way.prepare()
            for index in range(start, min(start + TURN, questions), way.every):
                _ask(way, index, courses[way.name])
    return courses


def _ask(way: Way, index: int, course: Course) -> None:
    began = time.perf_counter()
    answer = way.ask(index)
    course.times_ms[index] = (time.perf_counter() - began) * 1000
    course.answers[index] = answer


def median_ratio(slower: Course, faster: Course) -> float:
    """Return how many times as long the first takes, by the medians of the questions both were asked."""
    both = slower.times_ms.keys() & faster.times_ms.keys()
    above = statistics.median(slower.times_ms[index] for index in both)
    return above / statistics.median(faster.times_ms[index] for index in both)


def figure(ours: Course, reference: Course, **more: float) -> dict[str, Any]:
    """Return one entry of the last line: a ratio above 1 says that ours is faster."""
    return {
        "ours": round(ours.median_ms, 3),
        "reference": round(reference.median_ms, 3),
        "ratio": round(median_ratio(reference, ours), 2),
        "unit": "ms",
        **{name: round(value, 4) for name, value in more.items()},
    }


def print_courses(title: str, courses: Mapping[str, Course], notes: Mapping[str, str]) -> None:
    """Print a table of all ways: p50, p95, and what `notes` says of each."""
    print(f"\n{title:44}{'p50 ms':>10}{'p95 ms':>10}{'asked':>7}   notes")
    for name, course in courses.items():
        figures = f"{course.median_ms:10.2f}{course.percentile_ms(95):10.2f}{len(course.times_ms):7}"
        print(f"  {name:42}{figures}   {notes.get(name, '')}", flush=True)
