"""`adapt --features FILE... --labels FILE --out LAYER`: train a linear layer that tells instances apart."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np

from photos.vision.adaptation import write_layer
from photos.vision.adaptation_training import Epoch, TrainingSettings, train_layer
from photos.vision.errors import VisionError
from photos.vision.interchange import feature_files
from photos.vision.interchange.ilias_hdf5 import unescape_id
from photos.vision.interchange.lists import read_rows
from photos.vision.progress import progress_bar

HELP: Final = "train a linear layer on features with labels; it makes a space of its own"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--features", type=Path, nargs="+", required=True, metavar="FILE", help=".hdf5 or .parquet")
    parser.add_argument("--labels", type=Path, required=True, metavar="FILE", help="CSV of id,label[,domain]")
    parser.add_argument("--out", type=Path, required=True, metavar="LAYER.safetensors")
    defaults = TrainingSettings()
    for field in fields(defaults):
        default = getattr(defaults, field.name)
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=type(default), default=default, help="default: %(default)s")


def run(options: argparse.Namespace) -> int:
    settings = TrainingSettings(**{field.name: getattr(options, field.name) for field in fields(TrainingSettings)})
    if options.out.suffix != ".safetensors":
        raise VisionError(f"--out {options.out}: layers are written as .safetensors")
    labels = read_labels(options.labels)
    ids, rows = feature_files.read_features(options.features, unescape=True)
    known = np.array([one in labels for one in ids], dtype=np.bool_)
    if not known.any():
        raise VisionError(f"none of the {len(ids)} features is labelled in {options.labels}")
    found = np.array([labels[one] for one in ids if one in labels])
    with progress_bar(total=settings.epochs, unit="epoch", desc="Training") as bar:

        def advance(epoch: Epoch) -> None:
            bar.set_postfix(loss=f"{epoch.loss:.4f}", held_out=f"{100 * epoch.held_out_map:.2f}", refresh=False)
            bar.update()

        training = train_layer(rows[known], found, settings, progress=advance)
    write_layer(options.out, training.layer, notes={"epochs": str(training.best), "rows": str(len(found))})
    best = training.epochs[training.best]
    held = "" if np.isnan(best.held_out_map) else f", mAP among held-out classes {100 * best.held_out_map:.2f}"
    sys.stdout.write(f"{options.out}: +lin-{training.layer.digest}, epoch {best.number} of {len(training.epochs) - 1}")
    sys.stdout.write(f", {len(found)} rows of {len(set(found.tolist()))} classes{held}\n")
    return 0


def read_labels(path: Path) -> dict[str, int]:
    """Return a number for each id's class, which is its label, in its domain where one is told.

    Ids are as they were before a file of features spelled them in ASCII.
    """
    classes: dict[tuple[str, ...], int] = {}
    labels: dict[str, int] = {}
    for row in read_rows(path):
        if len(row) not in {2, 3}:
            raise VisionError(f"{path}: expected lines of id,label or id,label,domain, got {','.join(row)!r}")
        labels[unescape_id(row[0])] = classes.setdefault(tuple(row[1:]), len(classes))
    return labels
