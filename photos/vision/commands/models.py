"""`models`: which encoders and segmenters there are."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from photos.vision import registry
from photos.vision.types import WeightFile

HELP: Final = "list the encoders and segmenters"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There is nothing to choose."""


def run(options: argparse.Namespace) -> int:
    lines = ["encoders:"]
    for slug in registry.encoder_slugs():
        spec = registry.get_spec(slug)
        segmenter = f"with {registry.default_segmenter(slug)}"
        default = "(default)" if slug == registry.DEFAULT_ENCODER else ""
        lines.append(
            " ".join(filter(None, [f"  {slug}", f"{spec.dimensions} d", segmenter, _told(spec.weights), default]))
        )
    lines += ["segmenters:", *(f"  {slug}" for slug in registry.segmenter_slugs())]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _told(files: Sequence[WeightFile]) -> str:
    if not files:
        return ""
    if not all(file.size for file in files):
        return "weights of unknown size"
    return f"{sum(file.size for file in files) / 1e6:.0f} MB of weights"
