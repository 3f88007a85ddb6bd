"""Files of features to be made: what goes into each, and the loop that fills them whatever engine describes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from photos.vision.bulk.recipe import Recipe
from photos.vision.bulk.shards import Shard, is_finished
from photos.vision.bulk.sources import Entry, Listing
from photos.vision.bulk.stage import Described, Window, cut_windows
from photos.vision.errors import VisionError

ROUND_PICTURES: Final = 500_000
"""Pictures, at least, that a cluster is given at a time: enough to be worth its start, few enough to be listed."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to be made at `path` of what `listing` finds; `asked` says how, and `size` is a guess of its share.

    `remark` returns what is to be told when all is done, if anything.
    """

    path: Path
    listing: Callable[[], Listing]
    asked: Mapping[str, Any]
    size: int = 1
    remark: Callable[[], str] = str


@dataclass(slots=True)
class Tally:
    """Pictures described now, described or refused before, and refused now; files made, and files there before."""

    described: int = 0
    before: int = 0
    refused: int = 0
    made: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)


class Engine(Protocol):
    """Something that describes windows, in any order; `round_pictures` are best given to it at a time."""

    round_pictures: int

    def describe(self, windows: Iterable[Window]) -> Iterator[Described]: ...

    def close(self) -> None: ...


Progress: TypeAlias = Callable[[Tally, int], object]
"""Called with what was done, and the number of pictures that there are, as far as is known."""


def run_jobs(
    jobs: Sequence[Job],
    recipe: Recipe,
    engine: Engine,
    *,
    dtype: str = "float16",
    limit: int = 0,
    progress: Progress | None = None,
) -> Tally:
    """Make every file that is not there yet, from where a former run was stopped.

    `limit` takes that many pictures for each file, 0 all. Raises `VisionError` for missing models and for files made
    in another way; what was described is kept.
    """
    run = _Run(jobs, recipe, engine, dtype, limit, progress)
    waiting = run.leave_finished()
    while waiting:
        waiting = run.make_some(waiting)
    return run.tally


class _Run:
    def __init__(
        self, jobs: Sequence[Job], recipe: Recipe, engine: Engine, dtype: str, limit: int, progress: Progress | None
    ) -> None:
        self._jobs, self._recipe, self._engine = jobs, recipe, engine
        self._dtype, self._limit, self._progress = dtype, limit, progress
        self._listed = self._listed_size = 0
        self.tally = Tally()

    def leave_finished(self) -> list[Job]:
        self.tally.there = [job.path for job in self._jobs if is_finished(job.path, job.asked)]
        there = set(self.tally.there)
        return [job for job in self._jobs if job.path not in there]

    def make_some(self, waiting: list[Job]) -> list[Job]:
        """Make as many files as the engine is best given at a time; returns the jobs that are left."""
        with ExitStack() as stack:
            filling: list[_Filling] = []
            while waiting and sum(one.left for one in filling) < self._engine.round_pictures:
                job, *waiting = waiting
                filling.append(self._open(job, stack))
            self._fill(filling)
        return waiting

    def _open(self, job: Job, stack: ExitStack) -> _Filling:
        local = self._recipe.descriptors == "local"
        shard = stack.enter_context(Shard(job.path, job.asked, dtype=self._dtype, local=local))
        listing = job.listing()
        entries = listing.entries[: self._limit or None]
        self.tally.refused += shard.refuse(listing.refused)
        filling = _Filling(shard, entries)
        self._listed, self._listed_size = self._listed + len(entries), self._listed_size + job.size
        self.tally.before += len(entries) - filling.left
        self._report()
        return filling

    def _fill(self, filling: Sequence[_Filling]) -> None:
        owners: list[_Filling] = []
        for one in filling:
            if not one.left:
                self._finish(one)

        def windows() -> Iterator[Window]:
            for one in filling:
                for window in cut_windows(one.entries, self._recipe.window, done=one.done):
                    owners.append(one)
                    yield Window(len(owners) - 1, window.entries)

        if not any(one.left for one in filling):
            return
        for described in self._engine.describe(windows()):
            self._take(owners[described.window], described)
        if any(one.left for one in filling):
            raise VisionError("not every picture was described; run the same command again to go on")

    def _take(self, one: _Filling, described: Described) -> None:
        one.shard.add(described)
        one.left -= len(described.ids) + len(described.refused)
        self.tally.described += len(described.ids)
        self.tally.refused += len(described.refused)
        self._report()
        if not one.left:
            self._finish(one)

    def _finish(self, one: _Filling) -> None:
        one.shard.finish(one.entries)
        self.tally.made.append(one.shard.path)

    def _report(self) -> None:
        if self._progress:
            whole = sum(job.size for job in self._jobs if job.path not in self.tally.there)
            self._progress(self.tally, round(self._listed * whole / max(1, self._listed_size)))


class _Filling:
    """A shard, its entries, and how many of them are left to be done."""

    def __init__(self, shard: Shard, entries: list[Entry]) -> None:
        self.shard, self.entries = shard, entries
        self.done = shard.done
        self.left = sum(one.id not in self.done for one in entries)
