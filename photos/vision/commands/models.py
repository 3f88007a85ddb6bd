"""`models`: which encoders and segmenters there are."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from photos.vision import registry

HELP: Final = "list the encoders and segmenters"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There is nothing to choose."""


def run(options: argparse.Namespace) -> int:
    lines = ["encoders:"]
    for slug in registry.encoder_slugs():
        spec = registry.get_spec(slug)
        weights = f"{sum(file.size for file in spec.weights) / 1e6:.0f} MB of weights" if spec.weights else ""
        segmenter = f"with {registry.default_segmenter(slug)}"
        default = "(default)" if slug == registry.DEFAULT_ENCODER else ""
        lines.append(" ".join(filter(None, [f"  {slug}", f"{spec.dimensions} d", segmenter, weights, default])))
    lines += ["segmenters:", *(f"  {slug}" for slug in registry.segmenter_slugs())]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
