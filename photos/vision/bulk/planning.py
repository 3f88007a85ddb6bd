"""From what is asked to the files to be made."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from photos.vision.bulk.jobs import Job
from photos.vision.bulk.recipe import Recipe
from photos.vision.bulk.sources import (
    Entry,
    Listing,
    Tar,
    example_id,
    find_tars,
    list_folder,
    list_selected,
    list_tars,
    list_texts,
    read_ids,
)
from photos.vision.bulk.stores import Place
from photos.vision.errors import VisionError

PARTITIONS: Final = ("image_queries", "positives", "distractors", "text_queries")
FORMATS: Final = ("hdf5", "parquet")


@dataclass(frozen=True, slots=True)
class Input:
    """Which pictures: `place` is a folder of pictures or tars, or one tar; of tars also the URL of an object store.

    `partition` names one of ILIAS's: pictures with "quer" or "pos" in their paths, the tars of distractors, or the
    texts `T*.txt`. `selected_ids` is a file of ids, the first column of a CSV; `tars_per_file` tars go into one file,
    from the tar number `start_tar`, `total_tars` of them (0: all); `limit` pictures into each (0: all).
    """

    place: Place
    partition: str = ""
    selected_ids: Path | None = None
    start_tar: int = 0
    total_tars: int = 0
    tars_per_file: int = 10
    limit: int = 0

    def __post_init__(self) -> None:
        if self.partition and self.partition not in PARTITIONS:
            raise VisionError(f"unknown partition {self.partition!r}; use one of {', '.join(PARTITIONS)}")
        if isinstance(self.place, str) and self.partition not in {"", "distractors"}:
            raise VisionError(f"{self.place}: object stores hold tars; {self.partition} are read from a folder")
        if isinstance(self.place, Path) and not self.place.exists():
            raise VisionError(f"{self.place} is not there; name a folder of pictures or of tars, or a .tar file")
        if self.tars_per_file < 1 or self.limit < 0 or self.start_tar < 0 or self.total_tars < 0:
            raise VisionError("tars per file must be at least 1; first tar, number of tars and limit at least 0")
        if self.start_tar % self.tars_per_file:
            raise VisionError(
                f"the first tar, {self.start_tar}, must be a multiple of the {self.tars_per_file} tars of one file: "
                "the files are numbered by it"
            )

    @property
    def has_tars(self) -> bool:
        if isinstance(self.place, str):
            return True
        if self.partition:
            return self.partition == "distractors"
        return self.place.is_file() or _holds_tars(self.place)


def _holds_tars(folder: Path) -> bool:
    """Say whether a folder has tars and no pictures; raises `VisionError` where it has both."""
    tar, picture = next(folder.glob("*.tar"), None), next(iter(list_folder(folder).entries), None)
    if tar and picture:
        raise VisionError(
            f"{folder} holds tars, as {tar.name}, and pictures, as {picture.id}; name a folder of one kind, or "
            "take the tars alone with --partition distractors"
        )
    return tar is not None


def plan(asked: Input, out: Path, recipe: Recipe, *, format: str = "hdf5", dtype: str = "float16") -> list[Job]:  # noqa: A002 - the option's name
    """Return the files to be made under `out`, named as ILIAS does; raises `VisionError` where there is nothing."""
    if format not in FORMATS:
        raise VisionError(f"unknown format {format!r}; use one of {', '.join(FORMATS)}")
    how = {"recipe": describe_recipe(recipe), "dtype": dtype, "limit": asked.limit}
    stem = "_".join(filter(None, ["features", asked.partition]))
    if asked.has_tars:
        return _plan_tars(asked, out / stem, format, how)
    if asked.start_tar or asked.total_tars:
        raise VisionError(f"{asked.place} is no place of tars; leave --start-tar and --total-tars out")
    listing = cache(_lister(asked))
    if not listing().entries:
        told = "".join(f"; {what}" for _id, what, _code in listing().refused[:1])
        raise VisionError(f"there is nothing to describe in {asked.place}{_of(asked.partition)}{told}")
    return [job_of(out / f"{stem}.{format}", listing(), how)]


def job_of(path: Path, listing: Listing, how: dict[str, Any]) -> Job:
    """Return a job for pictures that are listed already; which they are is remembered by a digest of their ids."""
    facts = {**how, "input": {"pictures": len(listing.entries), "ids_sha256": _digest(listing.entries)}}
    return Job(path, lambda: listing, facts, size=len(listing.entries))


def describe_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return what changes a vector as plain values."""
    return {**dataclasses.asdict(recipe), "model": recipe.model_name}


def _plan_tars(asked: Input, stem: Path, suffix: str, how: dict[str, Any]) -> list[Job]:
    tars = find_tars(asked.place)[asked.start_tar :][: asked.total_tars or None]
    if not tars:
        raise VisionError(f"{asked.place} has {len(find_tars(asked.place))} tars, none from number {asked.start_tar}")
    selected = read_ids(asked.selected_ids) if asked.selected_ids else None
    if selected:
        how = {**how, "selected_sha256": hashlib.sha256("\n".join(selected).encode()).hexdigest()}
    groups = [tars[start : start + asked.tars_per_file] for start in range(0, len(tars), asked.tars_per_file)]
    is_share = bool(
        asked.start_tar or asked.total_tars
    )  # other machines have the others, and perhaps all that is chosen
    chosen = Selection(selected, groups, may_be_empty=is_share) if selected else None
    jobs = []
    for number, some in enumerate(groups):
        sizes = {tar.name: tar.size for tar in some}
        path = stem.with_name(f"{stem.name}_{asked.start_tar // asked.tars_per_file + number:05d}.{suffix}")
        listing = partial(chosen.list_group, number) if chosen else partial(list_tars, some)
        remark = chosen.describe_unseen if chosen else str
        jobs.append(Job(path, listing, {**how, "input": sizes}, size=sum(sizes.values()), remark=remark))
    return jobs


class Selection:
    """Ids that are looked for in groups of tars, and which of them were seen; each group is read once."""

    def __init__(self, ids: Sequence[str], groups: Sequence[Sequence[Tar]], *, may_be_empty: bool = False) -> None:
        self._wanted, self._groups, self._may_be_empty = frozenset(ids), groups, may_be_empty
        self._listings: dict[int, Listing] = {}
        self._read: set[int] = set()
        self._seen: set[str] = set()

    def list_group(self, number: int) -> Listing:
        """List a group's chosen pictures; raises `VisionError` where none of the ids is in any, unless that may be."""
        self._look_into(number)
        for other in range(len(self._groups)):
            if self._seen or self._may_be_empty:
                break
            self._look_into(other)
        if not self._seen and not self._may_be_empty:
            example = example_id([tar for group in self._groups for tar in group])
            raise VisionError(
                f"none of the {len(self._wanted)} selected ids, as {min(self._wanted)}, is in these tars; an id is "
                f"written as {example}, or without the tar's name"
            )
        return self._listings.pop(number)

    def describe_unseen(self) -> str:
        """Return how many ids are in none of the tars; nothing where all were seen, or not all tars were read."""
        left = len(self._wanted - self._seen)
        if not left or len(self._read) < len(self._groups):
            return ""
        return f"{left} of {len(self._wanted)} selected ids are not in these tars"

    def _look_into(self, number: int) -> None:
        if number in self._listings:
            return
        listing = self._listings[number] = list_tars(self._groups[number], selected=self._wanted)
        self._read.add(number)
        for one in listing.entries:
            self._seen |= self._wanted & {one.id, one.id.partition("/")[2]}


def _lister(asked: Input) -> Callable[[], Listing]:
    folder = Path(asked.place)
    if not folder.is_dir():
        raise VisionError(f"{folder} is not a folder")
    if asked.selected_ids:
        ids = read_ids(asked.selected_ids)
        return lambda: list_selected(folder, ids)
    if asked.partition == "text_queries":
        return lambda: list_texts(folder)
    return lambda: list_folder(folder, partition=asked.partition)


def _digest(entries: Sequence[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f"{entry.id}\n".encode())
    return digest.hexdigest()


def _of(partition: str) -> str:
    words = {"image_queries": '"quer" in their paths', "positives": '"pos" in their paths', "text_queries": "T*.txt"}
    return f" for {partition} (looked for: {words[partition]})" if partition in words else ""
