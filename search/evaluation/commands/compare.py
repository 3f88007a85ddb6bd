"""`compare RUN_A RUN_B`: is the second run better, or was it the choice of queries?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from search.evaluation import arguments, comparison, reporting

HELP: Final = "compare two reports by a paired bootstrap: the difference, its confidence interval and p"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, metavar="RUN_A", help="a report that --json wrote")
    parser.add_argument("second", type=Path, metavar="RUN_B")
    parser.add_argument("--measure", help="for instance mAP@1000; default: the first that both have")
    parser.add_argument(
        "--unit", choices=["query", "instance"], default="query", help="what is drawn anew; default: %(default)s"
    )
    parser.add_argument("--samples", type=arguments.positive, default=comparison.SAMPLES, help="default: %(default)s")
    parser.add_argument("--confidence", type=float, default=0.95, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparison")


def run(options: argparse.Namespace) -> int:
    found = comparison.compare(
        reporting.read_report(options.first),
        reporting.read_report(options.second),
        measure=options.measure,
        unit=options.unit,
        samples=options.samples,
        confidence=options.confidence,
        seed=options.seed,
    )
    if options.json:
        reporting.write_comparison(options.json, found)
    sys.stdout.write("\n".join(reporting.comparison_lines(found)) + "\n")
    return 0
