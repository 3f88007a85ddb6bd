"""`extract FOLDER OUT`: one file of JSON for each picture of a folder."""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from photos.vision import configuration
from photos.vision.errors import VisionError
from photos.vision.extraction import ERRORS_NAME, ExtractionReport, ExtractionSettings, extract_folder, find_pictures

HELP: Final = "describe a folder of pictures into files of JSON; may be stopped and started again"
_OWN: Final = {field.name for field in fields(ExtractionSettings)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder of results; what is there is not done again")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings, by the names of these options")
    parser.add_argument("--encoder", help="default: classical-512")
    parser.add_argument("--segmenter", help="default: the one that goes with the encoder")
    parser.add_argument("--engine", help="auto, torch or openvino; on a GPU auto is torch")
    parser.add_argument("--batch", type=int, help="pictures read ahead; default: 4")


def run(options: argparse.Namespace) -> int:
    """Describe all pictures; the status is 0 also where some were refused, for they are listed."""
    if not options.folder.is_dir():
        raise VisionError(f"{options.folder} is not a folder")
    settings, found = read_settings(options)
    former = configuration.use(lambda: found)
    try:
        return _extract(options.folder, options.out, settings)
    finally:
        configuration.use(former)


def read_settings(options: argparse.Namespace) -> tuple[ExtractionSettings, configuration.Configuration]:
    """Return what is to be done and how vision is set up: options win over the file, the file over the environment.

    Raises `VisionError` for a name or a value that is not known.
    """
    given = _read_file(options.config) if options.config else {}
    asked = {name: getattr(options, name) for name in ("encoder", "segmenter", "engine", "batch")}
    given |= {name: value for name, value in asked.items() if value is not None}
    if "engine" in given:
        given["vision_engine"] = given.pop("engine")
    own: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in _OWN
    }
    others = {name: value for name, value in given.items() if name not in _OWN}
    try:
        settings = replace(ExtractionSettings(), **own)
    except TypeError as exc:
        raise VisionError(f"a setting has a value of the wrong kind: {exc}") from exc
    return settings, configuration.read_configuration(others, base=configuration.current())


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return {name.lower(): value for name, value in tomllib.load(file).items()}
    except tomllib.TOMLDecodeError as exc:
        raise VisionError(f"{path} is no TOML: {exc}") from exc


def _extract(folder: Path, out: Path, settings: ExtractionSettings) -> int:
    pictures = find_pictures(folder)
    began = time.monotonic()
    with tqdm(total=len(pictures), unit="picture", desc="Describing", disable=None) as bar:
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
            return 130
    sys.stdout.write(_summary(report, out, time.monotonic() - began))
    return 0


def _summary(report: ExtractionReport, out: Path, seconds: float) -> str:
    rate = f" ({report.described / seconds:.1f} a second)" if report.described else ""
    refused = f", {len(report.refused)} refused (see {out / ERRORS_NAME})" if report.refused else ""
    return f"{out}: {report.described} described in {seconds:.1f} s{rate}, {report.skipped} there already{refused}\n"
