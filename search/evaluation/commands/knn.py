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
    selection = _Selection(options.selected_ids) if options.selected_ids else None

    def gallery() -> Iterator[tuple[list[str], Rows]]:
        with progress_bar(unit="vector", desc="Searching") as bar:
            for ids, rows in feature_files.iterate_features(options.gallery):
                yield selection.choose(ids, rows) if selection else (ids, rows)
                bar.update(len(ids))
        if selection:
            selection.refuse_nothing()

    how: dict[str, Any] = {"k": options.k, "device": options.device}
    if options.expand:
        found = search_expanded(query_ids, queries, gallery, expansion=options.expand, alpha=options.alpha, **how)
    else:
        found = search_exact(query_ids, queries, gallery, **how)
    write_neighbours(options.out, found)
    kept = found.ranks.shape[1]
    sys.stdout.write(f"{options.out}: {len(query_ids)} queries, {kept} neighbours each of {found.searched}\n")
    if selection:
        sys.stderr.write(selection.tell_unseen())
    return 0


class _Selection:
    """Of the pictures in tars, those that a list names by their ids or their keys there, as mini-ILIAS's does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids = frozenset(row[0] for row in read_rows(path) if row[0])
        self._seen: set[str] = set()

    def choose(self, ids: list[str], rows: Rows) -> tuple[list[str], Rows]:
        """Leave out what is in a tar and not in the list."""
        kept = [place for place, one in enumerate(ids) if self._names(one) or ".tar/" not in one]
        return [ids[place] for place in kept], rows[kept]

    def refuse_nothing(self) -> None:
        """Raise `EvaluationError` where the list named nothing of the gallery: every distractor would be missing."""
        if not self._seen:
            example = f", for instance {min(self._ids)}" if self._ids else ""
            raise EvaluationError(
                f"none of the {len(self._ids)} ids in {self._path} is in the gallery{example}; "
                "use ids as the files of features have them, or keys of pictures in tars"
            )

    def tell_unseen(self) -> str:
        """Return a line that says how many of the list were not in the gallery; none where all were."""
        if not (unseen := self._ids - self._seen):
            return ""
        count = f"{len(unseen)} of {len(self._ids)} ids in {self._path}"
        return f"{count} are not in the gallery, for instance {min(unseen)}\n"

    def _names(self, one: str) -> bool:
        names = self._ids.intersection((one, one.partition(".tar/")[2]))
        self._seen |= names
        return bool(names)
