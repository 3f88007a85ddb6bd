"""`dataset NAME FOLDER`: what a data set holds, its lists of ids, and the measures of a run on it."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from photos.vision.interchange.whole_files import whole_file
from photos.vision.progress import progress_bar
from search.evaluation import arguments
from search.evaluation.datasets.crops import write_crops
from search.evaluation.datasets.names import translate
from search.evaluation.datasets.registry import DATASETS, evaluate_dataset, read_dataset
from search.evaluation.retrieval import Dataset, Query
from search.evaluation.similarities import read_rankings

HELP: Final = "read a data set from a local folder; measure a run on it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=sorted(DATASETS), metavar="NAME", help=", ".join(sorted(DATASETS)))
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--subset", default="", help="a protocol of revisited Oxford, RoboTools alone, ...")
    parser.add_argument("--write-ids", type=Path, metavar="FOLDER", help="write query_ids.txt and gallery_ids.txt")
    parser.add_argument("--write-crops", type=Path, metavar="FOLDER", help="cut the queries' objects out, to describe")
    parser.add_argument("--check-pictures", action="store_true", help="look whether all pictures are there")
    arguments.add_run(parser, ks=(), required=False)


def run(options: argparse.Namespace) -> int:
    data = read_dataset(options.name, options.folder, subset=options.subset)
    boxed = sum(bool(query.boxes) for query in data.queries)
    sys.stdout.write(f"{data.name}: {len(data.queries)} queries ({boxed} with boxes), {len(data.gallery)} pictures\n")
    if options.write_ids:
        _write_ids(options.write_ids, data)
    if options.write_crops:
        _write_crops(options.write_crops, data)
    status = _check_pictures(data) if options.check_pictures else 0
    if options.similarities:
        rankings = translate(read_rankings(options.similarities), data)
        status |= arguments.tell(evaluate_dataset(options.name, data, rankings, ks=options.k), options)
    return status


def _write_ids(folder: Path, data: Dataset) -> None:
    """Write an id a line, queries with their boxes behind it, as ILIAS's lists have them."""
    _write_rows(folder / "query_ids.txt", (_query_row(query) for query in data.queries))
    _write_rows(folder / "gallery_ids.txt", ([one] for one in data.gallery))
    sys.stdout.write(f"{folder}: query_ids.txt and gallery_ids.txt\n")


def _write_crops(folder: Path, data: Dataset) -> None:
    with progress_bar(total=len(data.queries), unit="query", desc="Cutting out") as bar:
        count = write_crops(data, folder, progress=bar.update)
    sys.stdout.write(f"{folder}: {count} queries\n")


def _query_row(query: Query) -> list[str | int]:
    sides = [side for box in query.boxes for side in (box.x, box.y, box.width, box.height)]
    return [query.id, *sides]


def _write_rows(path: Path, rows: Iterable[list[str | int]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _check_pictures(data: Dataset) -> int:
    places = [data.locate_query(query.id) for query in data.queries if not query.text and not query.id.endswith(".txt")]
    places += [data.locate_gallery(one) for one in data.gallery if ".tar/" not in one]
    missing = [path for path in places if not path.is_file()]
    if missing:
        sys.stderr.write(f"{len(missing)} of {len(places)} pictures are missing, for instance {missing[0]}\n")
    return 1 if missing else 0
