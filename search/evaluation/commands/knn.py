"""`knn --queries FILE --gallery FILE... --out FILE`: the exact nearest neighbours from files of features."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from photos.vision.interchange import feature_files
from photos.vision.interchange.lists import read_rows
from photos.vision.progress import progress_bar
from search.evaluation import arguments
from search.evaluation.errors import EvaluationError
from search.evaluation.knn import Rows, search_exact, search_expanded
from search.evaluation.similarities import SUFFIXES, write_neighbours

HELP: Final = "find the exact nearest neighbours of queries in files of features, read a part at a time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queries", type=Path, required=True, metavar="FILE", help=".hdf5 or .parquet")
    parser.add_argument("--gallery", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".json, .npz or .pkl (for ILIAS)")
    parser.add_argument("--k", type=arguments.positive, default=1000, help="neighbours kept; default: %(default)s")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default: %(default)s")
    parser.add_argument("--selected-ids", type=Path, metavar="FILE", help="of the pictures in tars search only these")
    parser.add_argument("--expand", type=int, default=0, metavar="N", help="move queries towards their N nearest first")
    parser.add_argument("--alpha", type=float, default=1.0, help="their weight is similarity^alpha; default: 1")


def run(options: argparse.Namespace) -> int:
    if options.out.suffix not in SUFFIXES:
        raise EvaluationError(f"--out {options.out}: use a name that ends with {', '.join(SUFFIXES)}")
    if options.expand < 0 or options.alpha < 0:
        raise EvaluationError(f"--expand and --alpha must be 0 or more, got {options.expand} and {options.alpha}")
    query_ids, queries = feature_files.read_features(options.queries)
    selected = {row[0] for row in read_rows(options.selected_ids)} if options.selected_ids else None

    def gallery() -> Iterator[tuple[list[str], Rows]]:
        with progress_bar(unit="vector", desc="Searching") as bar:
            for ids, rows in feature_files.iterate_features(options.gallery):
                yield (ids, rows) if selected is None else _choose(ids, rows, selected)
                bar.update(len(ids))

    how: dict[str, Any] = {"k": options.k, "device": options.device}
    if options.expand:
        found = search_expanded(query_ids, queries, gallery, expansion=options.expand, alpha=options.alpha, **how)
    else:
        found = search_exact(query_ids, queries, gallery, **how)
    write_neighbours(options.out, found)
    kept = found.ranks.shape[1]
    sys.stdout.write(f"{options.out}: {len(query_ids)} queries, {kept} neighbours each of {found.searched}\n")
    return 0


def _choose(ids: list[str], rows: Rows, selected: set[str]) -> tuple[list[str], Rows]:
    """Leave out what is in a tar and not selected, by its id or its key there, as mini-ILIAS lists them."""
    kept = [
        place
        for place, one in enumerate(ids)
        if ".tar/" not in one or one in selected or one.partition(".tar/")[2] in selected
    ]
    return [ids[place] for place in kept], rows[kept]
