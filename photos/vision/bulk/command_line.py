"""The options of bulk extraction, for every command that has them, and the run that they ask for."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from photos.vision.bulk.backbones import load_text_backbone, model_files
from photos.vision.bulk.jobs import Engine, Job, Tally, run_jobs
from photos.vision.bulk.local_engine import LocalEngine, TextEngine
from photos.vision.bulk.planning import FORMATS
from photos.vision.bulk.recipe import FRAMEWORKS, MULTI_SCALE, Recipe
from photos.vision.bulk.resizing import TRANSFORMS, Resizing
from photos.vision.bulk.shards import errors_path
from photos.vision.commands.fetch import fetch_with_bar
from photos.vision.errors import VisionError
from photos.vision.progress import progress_bar

ENGINES: Final = ("local", "ray")
STOPPED: Final = 130
SOME_REFUSED: Final = 3

_CLASSICAL_SIDE: Final = 1600
"""The side, in pixels, that the site reads pictures at, so that the vectors are its own."""


def add_feature_arguments(parser: Any) -> None:
    """Add what says how pictures are described and into what."""
    what = parser.add_argument_group("features")
    what.add_argument("--framework", choices=FRAMEWORKS, help="what describes; default: classical")
    what.add_argument("--model", help="its name there; for transformers a folder or a name on the hub")
    what.add_argument("--weights", metavar="FILE", help="weights in the place of the model's own")
    what.add_argument("--fetch", action="store_true", help="download the weights first where they are missing")
    what.add_argument("--pooling", choices=("head", "cls", "gap", "gem", "mac"), help="default: head")
    what.add_argument("--transform", choices=TRANSFORMS, help="as in ILIAS; default: resize_large")
    what.add_argument("--resolution", type=int, help="pixels; default: 512")
    what.add_argument("--min-size", type=int, help="resize_large pads shorter sides to this; default: 0")
    what.add_argument("--scales", type=float, nargs="+", help="average over these sizes; default: 1")
    what.add_argument("--multiscale", action="store_true", help="ILIAS's scales: .707, 1 and 1.414")
    what.add_argument("--local", action="store_true", help="descriptors of each picture's places, not of the whole")
    what.add_argument("--max-side", type=int, help="reduce pictures to this while they are decoded; 0: not at all")
    what.add_argument("--window", type=int, help="pictures from which those of one size are put together")
    what.add_argument("--format", choices=("json", *FORMATS), help="default: json for a folder, else hdf5")
    what.add_argument("--dtype", choices=("float16", "float32"), help="default: float16")
    what.add_argument("--limit", type=int, help="that many pictures for each file; for a trial")
    what.add_argument("--strict", action="store_true", help=f"exit with {SOME_REFUSED} where pictures were refused")
    where = parser.add_argument_group("where it runs")
    where.add_argument("--readers", type=int, help="threads that read pictures; default: one a CPU")
    where.add_argument("--address", help="of a Ray cluster; default: RAY_ADDRESS, else a small one on this machine")
    where.add_argument("--workers", type=int, help="Ray actors; default: as many as there is room for")
    where.add_argument("--num-cpus", type=float, help="CPUs for each actor; default: 1")
    where.add_argument("--num-gpus", type=float, help="GPUs for each actor; default: 0")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe that the options ask for; raises `VisionError`."""
    framework = options.framework or "classical"
    classical = framework == "classical"
    own = [name for name in ("resolution", "transform", "min_size", "pooling", "weights") if getattr(options, name)]
    if classical and own:
        raise VisionError(f"classical descriptors have a size and a way of their own; leave --{own[0]} out")
    sizes = {"transform": options.transform, "resolution": options.resolution, "min_size": options.min_size}
    scales = MULTI_SCALE if options.multiscale else tuple(options.scales or ())
    given = {
        "framework": framework,
        "model": options.model,
        "weights": options.weights,
        "pooling": options.pooling,
        "descriptors": "local" if options.local else None,
        "resizing": Resizing(**{name: value for name, value in sizes.items() if value is not None}),
        "scales": scales or None,
        "max_side": options.max_side if options.max_side is not None else _CLASSICAL_SIDE if classical else 0,
        "batch": options.batch,
        "window": options.window or max(128, options.batch or 0),
    }
    return Recipe(**{name: value for name, value in given.items() if value is not None})


def run_features(options: argparse.Namespace, recipe: Recipe, jobs: Sequence[Job], *, texts: bool = False) -> int:
    """Make the files with a progress bar and tell what was done; returns the exit status."""
    if options.fetch:
        fetch_missing(dataclasses.replace(recipe, descriptors="text") if texts else recipe)
    began = time.monotonic()
    engine = engine_of(options, recipe, texts=texts)
    with progress_bar(unit="text" if texts else "picture", desc="Describing", smoothing=0.05) as bar:

        def show(tally: Tally, known: int) -> None:
            bar.total = max(known, bar.n)
            bar.set_postfix(refused=tally.refused, refresh=False)
            bar.update(tally.described + tally.before + tally.refused - bar.n)

        try:
            tally = run_jobs(
                jobs, recipe, engine, dtype=options.dtype or "float16", limit=options.limit or 0, progress=show
            )
        except KeyboardInterrupt:
            bar.close()
            sys.stderr.write("Stopped. The same command goes on where this one was.\n")
            return STOPPED
        finally:
            engine.close()
    sys.stdout.write(_summary(tally, jobs, time.monotonic() - began))
    return SOME_REFUSED if options.strict and any(errors_path(job.path).exists() for job in jobs) else 0


def fetch_missing(recipe: Recipe) -> None:
    """Download a recipe's weights, with a bar; raises `WeightsMissingError` without a network."""
    for file in model_files(recipe):
        fetch_with_bar(file)


def engine_of(options: argparse.Namespace, recipe: Recipe, *, texts: bool = False) -> Engine:
    """Return the engine; raises `VisionError` for a cluster where there is none to be had."""
    if texts:
        load_text_backbone(dataclasses.replace(recipe, descriptors="text"))
        return TextEngine(recipe)
    if options.engine == "ray":
        from photos.vision.bulk.ray_engine import RayEngine, RayPlace

        place = RayPlace(
            address=options.address or "",
            workers=options.workers or 0,
            cpus=options.num_cpus if options.num_cpus is not None else 1.0,
            gpus=options.num_gpus or 0.0,
            readers=options.readers or 0,
        )
        return RayEngine(recipe, place)
    return LocalEngine(recipe, readers=options.readers or 0)


def _summary(tally: Tally, jobs: Sequence[Job], seconds: float) -> str:
    rate = f" ({tally.described / seconds:.1f} a second)" if tally.described else ""
    lines = [f"{tally.described} described in {seconds:.1f} s{rate}, {tally.before} described before"]
    lines += [f"{path}: made" for path in tally.made]
    lines += [f"{path}: there already" for path in tally.there]
    lines += [f"{errors_path(job.path)}: what was refused" for job in jobs if errors_path(job.path).exists()]
    lines += dict.fromkeys(filter(None, (job.remark() for job in jobs)))
    return "\n".join(lines) + "\n"
