"""`ilias --similarities FILE --ids FOLDER`: ILIAS's measures of a run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from search.evaluation import arguments
from search.evaluation.datasets.ilias import read_ilias
from search.evaluation.datasets.names import translate
from search.evaluation.ilias import evaluate_ilias
from search.evaluation.retrieval import Dataset, Ranking
from search.evaluation.similarities import read_rankings

HELP: Final = "mAP@k, the oracle and R@k of a run on ILIAS, by taxonomy, scale and clutter"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_run(parser, ks=(1000,))
    parser.add_argument("--ids", type=Path, required=True, metavar="FOLDER", help="ILIAS's lists of ids, or above it")
    parser.add_argument("--taxonomy", type=Path, metavar="FILE", help="taxonomy.json; default: the one with the lists")
    parser.add_argument("--check-ids", action="store_true", help="refuse queries and pictures the lists do not name")


def run(options: argparse.Namespace) -> int:
    data = read_ilias(options.ids, taxonomy=options.taxonomy, distractors=options.check_ids)
    rankings = _translate(read_rankings(options.similarities), data.dataset)
    return arguments.tell(evaluate_ilias(data, rankings, ks=options.k, check_ids=options.check_ids), options)


def _translate(rankings: Mapping[str, Ranking], data: Dataset) -> dict[str, Ranking]:
    """Look for the positives only: distractors, a hundred million with `--check-ids`, are spelled in one way."""
    positives = tuple(one for one in data.gallery if ".tar/" not in one)
    return translate(rankings, replace(data, gallery=positives))
