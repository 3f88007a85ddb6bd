"""`describe FILE...`: one line of JSON for each picture."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from photos.vision import registry
from photos.vision.describe import describe_image
from photos.vision.errors import ImageRefused
from photos.vision.images import DecodedImage, read_image
from photos.vision.masks import encode_rle
from photos.vision.types import Encoder, ImageDescription, SegmentDescription, Segmenter

HELP: Final = "describe pictures: their vectors, segments and local features, one line of JSON each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--encoder", default=registry.DEFAULT_ENCODER, help="default: %(default)s")
    parser.add_argument("--segmenter", help="default: the one that goes with the encoder")
    parser.add_argument("--max-side", type=int, help="reduce pictures to this many pixels a side first")
    parser.add_argument("--no-vectors", action="store_true", help="leave the long lists of numbers out")


def run(options: argparse.Namespace) -> int:
    """Describe each file; a refused one is reported and does not stop the others, but the status is 1."""
    encoder = registry.get_encoder(options.encoder)
    segmenter = registry.get_segmenter(options.segmenter or registry.default_segmenter(options.encoder))
    refused = 0
    for path in options.files:
        try:
            line = _describe(path, encoder, segmenter, options)
        except (ImageRefused, OSError) as exc:
            refused += 1
            line = {"file": str(path), "error": str(exc), "code": getattr(exc, "code", "unreadable")}
        sys.stdout.write(json.dumps(line) + "\n")
    return 1 if refused else 0


def _describe(path: Path, encoder: Encoder, segmenter: Segmenter, options: argparse.Namespace) -> dict[str, Any]:
    image = read_image(path, max_side=options.max_side)
    description = describe_image(image, encoder=encoder, segmenter=segmenter)
    return _as_json(path, image, description, encoder.spec.slug, segmenter.slug, not options.no_vectors)


def _as_json(
    path: Path, image: DecodedImage, found: ImageDescription, encoder: str, segmenter: str, vectors: bool
) -> dict[str, Any]:
    head: dict[str, Any] = {
        "file": str(path),
        "format": image.format.name,
        "width": image.width,
        "height": image.height,
        "encoder": encoder,
        "segmenter": segmenter,
        "blank": found.embedding is None,
        "local_features": len(found.local_features) if found.local_features else 0,
        "segments": [_segment_as_json(one, vectors) for one in found.segments],
    }
    if vectors and found.embedding is not None:
        head["embedding"] = found.embedding.tolist()
    return head


def _segment_as_json(described: SegmentDescription, vectors: bool) -> dict[str, Any]:
    segment = described.segment
    box = segment.box
    line: dict[str, Any] = {"box": [box.x, box.y, box.width, box.height], "area": segment.area}
    line |= {"predicted_iou": segment.predicted_iou, "stability_score": segment.stability_score}
    if vectors:
        line |= {"mask": encode_rle(segment.mask), "embedding": described.embedding.tolist()}
    return line
