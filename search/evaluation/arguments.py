"""Options that several commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.evaluation import reporting
from search.evaluation.retrieval import RetrievalReport


def positive(text: str) -> int:
    """Return a whole number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return number


def add_run(parser: argparse.ArgumentParser, *, ks: Sequence[int], required: bool = True) -> None:
    """Add the options of an evaluated run: its similarities, the places that count, and where the report goes."""
    parser.add_argument("--similarities", type=Path, required=required, metavar="FILE", help=".json, .npz or .pkl")
    shown = " ".join(map(str, ks))
    parser.add_argument("--k", type=positive, nargs="+", default=list(ks), help=f"places that count; default: {shown}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report, query by query, for `compare`")


def tell(report: RetrievalReport, options: argparse.Namespace, *, more: Mapping[str, Any] | None = None) -> int:
    """Print a report, write it where `--json` says, and return the exit status."""
    if options.json:
        reporting.write_report(options.json, report, more)
    sys.stdout.write("\n".join(reporting.report_lines(report)) + "\n")
    return 0
