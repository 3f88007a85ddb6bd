"""`masks FOLDER OUT`: the objects of a folder's pictures as SoIR's `captions.pt`, or as COCO's instances."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from photos.vision import configuration
from photos.vision.bulk.sources import find_pictures
from photos.vision.errors import VisionError
from photos.vision.object_masks import DEFAULT_SEGMENTER, SEGMENTERS, MaskingReport, mask_folder
from photos.vision.progress import progress_bar

HELP: Final = "find the objects of a folder's pictures (OWLv2, SAM) as SoIR's captions.pt; may be stopped and resumed"

_NAME: Final = "captions.pt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="the file to write, .pt or .json (COCO), or the folder for a captions.pt"
    )
    parser.add_argument("--segmenter", default=DEFAULT_SEGMENTER, choices=SEGMENTERS, help="default: %(default)s")
    parser.add_argument("--prompts", metavar="WORD,WORD", help="what to look for; default: objects of any kind")
    parser.add_argument("--limit", type=int, default=0, help="at most so many objects of a picture, the surest")
    parser.add_argument("--max-side", type=int, default=0, help="reduce pictures to this many pixels a side first")
    parser.add_argument("--engine", help="auto, torch or openvino; on a GPU auto is torch")


def run(options: argparse.Namespace) -> int:
    """Find all objects; the status is 0 also where some pictures were refused, for they are told."""
    if not options.folder.is_dir():
        raise VisionError(f"{options.folder} is not a folder")
    if min(options.limit, options.max_side) < 0:
        raise VisionError("--limit and --max-side must be 0 or more")
    given = {"owlv2_prompts": options.prompts, "vision_engine": options.engine}
    found = configuration.read_configuration(given, base=configuration.current())
    former = configuration.use(lambda: found)
    try:
        return _mask(options)
    finally:
        configuration.use(former)


def _mask(options: argparse.Namespace) -> int:
    out = options.out if options.out.suffix in {".pt", ".json"} else options.out / _NAME
    pictures = find_pictures(options.folder)
    if not pictures:
        raise VisionError(f"there are no pictures in {options.folder}")
    with progress_bar(total=len(pictures), unit="picture", desc="Finding objects") as bar:
        try:
            report = mask_folder(
                options.folder,
                out,
                pictures,
                segmenter=options.segmenter,
                limit=options.limit,
                max_side=options.max_side,
                progress=lambda _outcome, bar=bar: bar.update(),  # type: ignore[misc]
            )
        except KeyboardInterrupt:
            bar.close()
            sys.stderr.write("Stopped. The same command goes on where this one was.\n")
            return 130
    _tell(report, out)
    return 0


def _tell(report: MaskingReport, out: Path) -> None:
    for path, reason in report.refused:
        sys.stderr.write(f"{path}: {reason}\n")
    pictures = report.masked + report.skipped
    refused: Any = f", {len(report.refused)} refused" if report.refused else ""
    sys.stdout.write(
        f"{out}: {report.objects} objects in {pictures} pictures, {report.skipped} of them there already{refused}\n"
    )
