"""`convert FILE... OUT`: files of features into one of another form, adapted on the way, or into a FAISS index."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from photos.vision.adaptation import read_layer
from photos.vision.errors import VisionError
from photos.vision.interchange import feature_files
from photos.vision.interchange.faiss_index import export_index
from photos.vision.interchange.feature_journal import DTYPES
from photos.vision.progress import progress_bar

HELP: Final = "turn files of features into HDF5, Parquet or a FAISS index; may be stopped and started again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".hdf5 or .parquet, one after another")
    parser.add_argument("out", type=Path, metavar="OUT", help=".hdf5, .parquet or .faiss")
    parser.add_argument("--layer", type=Path, metavar="FILE", help="a linear layer that adapts the features")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="default: %(default)s")
    parser.add_argument("--factory", default="Flat", help="FAISS's description of the index; default: %(default)s")


def run(options: argparse.Namespace) -> int:
    if options.out.suffix == ".faiss":
        if options.layer:
            raise VisionError("adapt the features into .hdf5 or .parquet first, then index those")
        count = export_index(options.files, options.out, factory=options.factory)
        sys.stdout.write(f"{options.out}: {count} vectors, ids in {options.out}.ids\n")
        return 0
    layer = read_layer(options.layer) if options.layer else None
    origin = " ".join(map(str, options.files)) + (f" +lin-{layer.digest}" if layer else "")
    with feature_files.open_writer(options.out, dtype=options.dtype, origin=origin) as writer:
        done = skipped = len(writer.ids)
        with progress_bar(unit="vector", desc="Converting", initial=done) as bar:
            for ids, rows in feature_files.iterate_features(options.files, unescape=True):
                fresh = slice(min(skipped, len(ids)), None)
                skipped -= fresh.start
                if ids[fresh]:
                    writer.append(ids[fresh], layer.apply(rows[fresh]) if layer else rows[fresh])
                    bar.update(len(ids[fresh]))
        total = len(writer.ids)
        writer.finish()
    sys.stdout.write(f"{options.out}: {total} vectors\n")
    return 0
