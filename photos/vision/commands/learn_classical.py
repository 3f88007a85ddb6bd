"""`learn-classical OUT.npz`: make the constants of `classical-512` anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

HELP: Final = "learn the constants of classical-512 from scikit-image's own photographs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT.npz")


def run(options: argparse.Namespace) -> int:
    # Imported late: scikit-image's data and SciPy's clustering are needed by nothing else.
    from photos.vision.encoders.classical_learning import learn_constants, save_constants

    save_constants(learn_constants(), options.out)
    sys.stdout.write(f"{options.out}: {options.out.stat().st_size} bytes\n")
    return 0
