"""`extract INPUT OUT`: a folder's pictures into files of JSON, or any number of pictures into files of features."""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from photos.vision import configuration
from photos.vision.bulk.command_line import ENGINES, STOPPED, add_feature_arguments, recipe_of, run_features
from photos.vision.bulk.planning import PARTITIONS, Input, plan
from photos.vision.bulk.sources import find_pictures
from photos.vision.bulk.stores import Place, to_place
from photos.vision.errors import VisionError
from photos.vision.extraction import ERRORS_NAME, ExtractionReport, ExtractionSettings, extract_folder
from photos.vision.progress import progress_bar

HELP: Final = "describe pictures into files; may be stopped and started again at any picture"
_OWN: Final = {field.name for field in fields(ExtractionSettings)}
_JSON: Final = ("encoder", "segmenter", "batch", "max_side")
"""Options that are settings of the files of JSON."""

_OF_JSON: Final = ("encoder", "segmenter")
_OF_FEATURES: Final = (
    *("framework", "model", "weights", "fetch", "pooling", "transform", "resolution", "min_size", "scales"),
    *("multiscale", "local", "window", "dtype", "limit", "strict", "partition", "selected_ids", "start_tar"),
    "total_tars",
)
"""Options that only one of the two kinds of files has."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", type=to_place, metavar="INPUT", help="a folder of pictures or of .tar files, a .tar file, or s3://..."
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder of results; what is there is not done again")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings, by the names of these options")
    parser.add_argument("--encoder", help="for files of JSON; default: classical-512")
    parser.add_argument("--segmenter", help="for files of JSON; default: the one that goes with the encoder")
    parser.add_argument("--engine", help="local (default) or ray; auto, torch and openvino are taken as --compute")
    parser.add_argument("--compute", choices=configuration.ENGINES, help="what runs networks; on a GPU auto is torch")
    parser.add_argument("--batch", type=int, help="pictures at a time; default: 32, for files of JSON 4")
    which = parser.add_argument_group("which pictures")
    which.add_argument("--partition", choices=PARTITIONS, help="one of ILIAS's")
    which.add_argument("--selected-ids", type=Path, metavar="FILE", help="ids, the first column of a CSV")
    which.add_argument("--start-tar", type=int, default=0, help="number of the first tar; default: 0")
    which.add_argument("--total-tars", type=int, default=0, help="how many tars; default: all")
    which.add_argument("--tars-per-file", type=int, default=10, help="tars for one file of features; default: 10")
    add_feature_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Describe all pictures; the status is 0 also where some were refused, for they are listed."""
    given = _read_file(options.config) if options.config else {}
    if wants_features(options, given):
        return _run_features(options, given)
    if not Path(options.input).is_dir():
        raise VisionError(f"{options.input} is not a folder")
    settings, found = read_settings(options)
    former = configuration.use(lambda: found)
    try:
        return _extract(options.input, options.out, settings)
    finally:
        configuration.use(former)


def wants_features(options: argparse.Namespace, given: dict[str, Any]) -> bool:
    """Say whether files of features are asked for: by the format, else by any option that files of JSON lack.

    Raises `VisionError` for an option of the one where files of the other kind are made: it would do nothing.
    """
    chosen = options.format or given.get("format")
    of_json, of_features = (
        [name for name in names if getattr(options, name) or name in given] for names in (_OF_JSON, _OF_FEATURES)
    )
    if "ray" in {options.engine, given.get("engine")}:
        of_features.append("engine")
    asked = bool(of_features) or _has_tars(options.input)
    features = chosen != "json" if chosen else asked
    if features and of_json:
        raise VisionError(f"{_option(of_json[0])} is for files of JSON; for features name --framework and --model")
    if not features and of_features:
        raise VisionError(f"{_option(of_features[0])} is for files of features; leave it out, or --format json")
    return features


def _has_tars(place: Place) -> bool:
    return isinstance(place, str) or (place.exists() and Input(place).has_tars)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def read_settings(options: argparse.Namespace) -> tuple[ExtractionSettings, configuration.Configuration]:
    """Return what is to be done and how vision is set up: options win over the file, the file over the environment.

    Raises `VisionError` for a name or a value that is not known.
    """
    given = _read_file(options.config) if options.config else {}
    given |= {name: getattr(options, name) for name in _JSON if getattr(options, name) is not None}
    given.pop("format", None)
    others = _read_compute(options, {name: value for name, value in given.items() if name not in _OWN})
    own: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in _OWN
    }
    try:
        settings = replace(ExtractionSettings(), **own)
    except TypeError as exc:
        raise VisionError(f"a setting has a value of the wrong kind: {exc}") from exc
    return settings, configuration.read_configuration(others, base=configuration.current())


def _run_features(options: argparse.Namespace, given: dict[str, Any]) -> int:
    """Fill the options that were not given from the file, and make the files of features."""
    for name in [name for name in given if name != "engine" and getattr(options, name, 0) is None]:
        setattr(options, name, given.pop(name))
    found = configuration.read_configuration(_read_compute(options, given), base=configuration.current())
    former = configuration.use(lambda: found)
    try:
        asked = Input(
            place=options.input,
            partition=options.partition or "",
            selected_ids=options.selected_ids,
            start_tar=options.start_tar,
            total_tars=options.total_tars,
            tars_per_file=options.tars_per_file,
            limit=options.limit or 0,
        )
        recipe = recipe_of(options)
        jobs = plan(asked, options.out, recipe, format=options.format or "hdf5", dtype=options.dtype or "float16")
        return run_features(options, recipe, jobs, texts=asked.partition == "text_queries")
    finally:
        configuration.use(former)


def _read_compute(options: argparse.Namespace, given: dict[str, Any]) -> dict[str, Any]:
    """Return settings of vision with `compute`, or an `engine` that means it, under its name there."""
    given = dict(given)
    engine, compute = options.engine or given.get("engine"), options.compute or given.get("compute")
    given.pop("engine", None)
    given.pop("compute", None)
    if engine in ENGINES:
        options.engine = engine
    elif engine:
        compute, options.engine = compute or engine, "local"
    return given | ({"vision_engine": compute} if compute else {})


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return {name.lower().replace("-", "_"): value for name, value in tomllib.load(file).items()}
    except OSError as exc:
        raise VisionError(f"{path} cannot be read: {exc.strerror}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise VisionError(f"{path} is no TOML: {exc}") from exc


def _extract(folder: Path, out: Path, settings: ExtractionSettings) -> int:
    pictures = find_pictures(folder)
    if not pictures:
        raise VisionError(f"there is nothing to describe in {folder}")
    began = time.monotonic()
    with progress_bar(total=len(pictures), unit="picture", desc="Describing") as bar:
        counts = {"described": 0, "skipped": 0, "refused": 0}

        def advance(outcome: str) -> None:
            counts[outcome] += 1
            bar.set_postfix(counts, refresh=False)
            bar.update()

        try:
            report = extract_folder(folder, out, settings, pictures=pictures, progress=advance)
        except KeyboardInterrupt:
            bar.close()
            sys.stderr.write("Stopped. The same command goes on where this one was.\n")
            return STOPPED
    sys.stdout.write(_summary(report, out, time.monotonic() - began))
    return 0


def _summary(report: ExtractionReport, out: Path, seconds: float) -> str:
    rate = f" ({report.described / seconds:.1f} a second)" if report.described else ""
    refused = f", {len(report.refused)} refused (see {out / ERRORS_NAME})" if report.refused else ""
    return f"{out}: {report.described} described in {seconds:.1f} s{rate}, {report.skipped} there already{refused}\n"
