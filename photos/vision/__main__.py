"""`python -m photos.vision COMMAND`: vision at the command line, without the site."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from photos.vision import commands
from photos.vision.errors import VisionError


def build_parser() -> argparse.ArgumentParser:
    """Return a parser with one sub-command for each module in `photos.vision.commands`."""
    parser = argparse.ArgumentParser(prog="python -m photos.vision", description="Pictures to numbers.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for found in pkgutil.iter_modules(commands.__path__):
        module = importlib.import_module(f"{commands.__name__}.{found.name}")
        subparser = subparsers.add_parser(found.name.replace("_", "-"), help=module.HELP, description=module.HELP)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; an error of vision is told in one line, with exit status 1."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (VisionError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
