"""`extract INPUT OUT`: a folder's pictures into files of JSON, or any number of pictures into files of features."""

from __future__ import annotations

import argparse
import sys
import time
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
from photos.vision.option_files import option, read_options
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

_TARS_PER_FILE: Final = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", type=to_place, metavar="INPUT", help="a folder of pictures or of .tar files, a .tar file, or s3://..."
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder of results; what is there is not done again")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings, by the names of these options")
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    """Add what may stand in a file, too; what is not given is None or False, so that the file's counts."""
    parser.add_argument("--encoder", help="for files of JSON; default: classical-512")
    parser.add_argument("--segmenter", help="for files of JSON; default: the one that goes with the encoder")
    parser.add_argument("--engine", help="local (default) or ray; auto, torch and openvino are taken as --compute")
    parser.add_argument("--compute", choices=configuration.ENGINES, help="what runs networks; on a GPU auto is torch")
    parser.add_argument("--batch", type=int, help="pictures at a time; default: 32, for files of JSON 4")
    which = parser.add_argument_group("which pictures")
    which.add_argument("--partition", choices=PARTITIONS, help="one of ILIAS's")
    which.add_argument("--selected-ids", type=Path, metavar="FILE", help="ids, the first column of a CSV")
    which.add_argument("--start-tar", type=int, help="number of the first tar; default: 0")
    which.add_argument("--total-tars", type=int, help="how many tars; default: all")
    which.add_argument("--tars-per-file", type=int, help=f"tars for one file of features; default: {_TARS_PER_FILE}")
    add_feature_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Describe all pictures; the status is 0 also where some were refused, for they are listed."""
    others = fill_options(options)
    if wants_features(options):
        return _run_features(options, others)
    if not Path(options.input).is_dir():
        raise VisionError(f"{options.input} is not a folder")
    settings, found = read_settings(options, others)
    former = configuration.use(lambda: found)
    try:
        return _extract(options.input, options.out, settings)
    finally:
        configuration.use(former)


def fill_options(options: argparse.Namespace) -> dict[str, Any]:
    """Fill the options that were not given from the file of `--config`; returns its settings that are no options.

    Raises `VisionError` for a name or a value that is not known.
    """
    _split_engine(vars(options))
    if not options.config:
        return {}
    found, others = read_options(options.config, _add_options)
    _split_engine(found)
    for name, value in found.items():
        if getattr(options, name) is None or getattr(options, name) is False:
            setattr(options, name, value)
    known = {field.name for field in fields(configuration.Configuration)} | _OWN
    if unknown := sorted(set(others) - known):
        told = (
            f"unknown settings {', '.join(unknown)}; known: {', '.join(sorted(known))}, and the options by their names"
        )
        raise VisionError(f"{options.config} has {told}")
    return others


def _split_engine(options: dict[str, Any]) -> None:
    """Take an `engine` that means what runs networks as `compute`."""
    engine = options.get("engine")
    if engine and engine not in ENGINES:
        options["compute"], options["engine"] = options.get("compute") or engine, None


def wants_features(options: argparse.Namespace) -> bool:
    """Say whether files of features are asked for: by the format, else by any option that files of JSON lack.

    Raises `VisionError` for an option of the one where files of the other kind are made: it would do nothing.
    """
    of_json, of_features = ([name for name in names if getattr(options, name)] for names in (_OF_JSON, _OF_FEATURES))
    if options.engine == "ray":
        of_features.append("engine")
    features = options.format != "json" if options.format else bool(of_features) or _has_tars(options.input)
    if features and of_json:
        raise VisionError(f"{option(of_json[0])} is for files of JSON; for features name --framework and --model")
    if not features and of_features:
        raise VisionError(f"{option(of_features[0])} is for files of features; leave it out, or --format json")
    return features


def _has_tars(place: Place) -> bool:
    return isinstance(place, str) or (place.exists() and Input(place).has_tars)


def read_settings(
    options: argparse.Namespace, others: dict[str, Any]
) -> tuple[ExtractionSettings, configuration.Configuration]:
    """Return what is to be done and how vision is set up: options win over the file, the file over the environment.

    Raises `VisionError` for a value that cannot be.
    """
    own = {name: value for name, value in others.items() if name in _OWN}
    _check_tags(own)
    own |= {name: getattr(options, name) for name in _JSON if getattr(options, name) is not None}
    if "words" in own:
        own["words"] = tuple(own["words"])
    rest = {name: value for name, value in others.items() if name not in _OWN}
    return replace(ExtractionSettings(), **own), _read_configuration(options, rest)


def _check_tags(own: dict[str, Any]) -> None:
    words, cut = own.get("words", []), own.get("tag_cut", 0.0)
    if not isinstance(words, list) or not all(isinstance(one, str) for one in words):
        raise VisionError(f"a setting has a value of the wrong kind: words = {words!r}; use a list of words")
    if isinstance(cut, bool) or not isinstance(cut, int | float):
        raise VisionError(f"a setting has a value of the wrong kind: tag_cut = {cut!r}; use a number")


def _run_features(options: argparse.Namespace, others: dict[str, Any]) -> int:
    found = _read_configuration(options, others)
    former = configuration.use(lambda: found)
    try:
        asked = Input(
            place=options.input,
            partition=options.partition or "",
            selected_ids=options.selected_ids,
            start_tar=options.start_tar or 0,
            total_tars=options.total_tars or 0,
            tars_per_file=_TARS_PER_FILE if options.tars_per_file is None else options.tars_per_file,
            limit=options.limit or 0,
        )
        recipe = recipe_of(options)
        jobs = plan(asked, options.out, recipe, format=options.format or "hdf5", dtype=options.dtype or "float16")
        return run_features(options, recipe, jobs, texts=asked.partition == "text_queries")
    finally:
        configuration.use(former)


def _read_configuration(options: argparse.Namespace, others: dict[str, Any]) -> configuration.Configuration:
    """Return how vision is set up: the file's settings, and `compute` under its name there, over the environment's."""
    compute = {"vision_engine": options.compute} if options.compute else {}
    return configuration.read_configuration({**others, **compute}, base=configuration.current())


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
