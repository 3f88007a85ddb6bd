"""Google Landmarks v2, its retrieval task (Weyand et al., CVPR 2020; https://github.com/cvdfoundation/google-landmark).

The folder holds `retrieval_solution_v2.1.csv` (id, images, Usage) and `index.csv` (id, ...), or both in `metadata/`,
the former also in `test/`, the latter in `index/`. A picture is at `test/0/1/2/012....jpg` or `index/0/1/2/012....jpg`.
The task's measure is mAP@100.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from photos.vision.interchange.lists import read_rows
from search.evaluation.datasets.folders import find_first
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Dataset, Query

NAME: Final = "Google Landmarks v2"
USAGES: Final = ("private", "public", "all")
_KNOWN_USAGES: Final = ("private", "public", "ignored")


def read_google_landmarks(folder: Path, *, usage: str = "all") -> Dataset:
    """Read the queries of that usage, the index and what answers which; raises `EvaluationError`.

    Queries that the task ignores are left out.
    """
    if usage not in USAGES:
        raise EvaluationError(f"unknown usage {usage!r}; use {', '.join(USAGES)}")
    truth = _find(folder, "test", "retrieval_solution_v2.1.csv", "retrieval_solution_v2.csv")
    rows = iter(read_rows(truth))
    if [title.lower() for title in next(rows, [])] != ["id", "images", "usage"]:
        raise EvaluationError(f"{truth} must begin with id,images,Usage")
    wanted = USAGES[:2] if usage == "all" else (usage,)
    queries = tuple(query for row in rows if (query := _query(row, truth)).groups["usage"] in wanted)
    index = _find(folder, "index", "index.csv", "index_image_to_landmark.csv")
    gallery = tuple(row[0] for number, row in enumerate(read_rows(index)) if number or row[0] != "id")
    return Dataset(
        NAME, queries, gallery, lambda one: _picture(folder, "test", one), lambda one: _picture(folder, "index", one)
    )


def _query(row: list[str], truth: Path) -> Query:
    if len(row) != 3 or row[2].lower() not in _KNOWN_USAGES:
        told = ",".join(row)
        raise EvaluationError(f"{truth}: expected id, images and Private, Public or Ignored, got {told!r}")
    name, images, usage = row
    return Query(name, frozenset(images.split()), instance=name, groups={"usage": usage.lower()})


def _find(folder: Path, part: str, *names: str) -> Path:
    places = [folder / base / name for name in names for base in ("", "metadata", part)]
    return find_first(places, dataset=NAME, what=names[0])


def _picture(folder: Path, part: str, one: str) -> Path:
    return folder.joinpath(part, *one[:3], f"{one}.jpg")
