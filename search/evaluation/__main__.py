"""`python -m search.evaluation COMMAND`: retrieval measured on files, without the site."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from photos.vision.errors import VisionError
from search.evaluation import commands
from search.evaluation.errors import EvaluationError


def build_parser() -> argparse.ArgumentParser:
    """Return a parser with one sub-command for each module in `search.evaluation.commands`."""
    parser = argparse.ArgumentParser(prog="python -m search.evaluation", description="How good is a search?")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for found in pkgutil.iter_modules(commands.__path__):
        module = importlib.import_module(f"{commands.__name__}.{found.name}")
        subparser = subparsers.add_parser(found.name, help=module.HELP, description=module.HELP)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what is wrong with a file or a data set is told in one line, with exit status 1."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (EvaluationError, VisionError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
