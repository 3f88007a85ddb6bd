"""`fetch MODEL...`: download weights."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from photos.vision import catalogue, weights
from photos.vision.progress import progress_bar
from photos.vision.types import WeightFile

HELP: Final = "download the weights of models; a broken download is taken up again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="an encoder, a segmenter, or one weight file")


def run(options: argparse.Namespace) -> int:
    files = dict.fromkeys(file for name in options.models for file in catalogue.files_of(name))
    for file in files:
        fetch_with_bar(file)
        sys.stdout.write(f"{file.name}: {weights.path_of(file)}\n")
    return 0


def fetch_with_bar(file: WeightFile, *, quiet: bool = False) -> None:
    """Fetch a file unless it is here; raises as `weights.fetch` does."""
    if weights.is_present(file):
        return
    with progress_bar(desc=file.name, total=file.size or None, unit="B", unit_scale=True, disable=quiet) as bar:

        def advance(done: int, total: int, bar: Any = bar) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        weights.fetch(file, progress=advance)
