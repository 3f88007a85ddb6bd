"""A command's options from a file of TOML, by their names: each is read as the command line would read it."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from photos.vision.errors import VisionError


def read_options(
    path: Path, add_arguments: Callable[[argparse.ArgumentParser], None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that the file names, converted, and its other entries as they are.

    Raises `VisionError` for a file that is no TOML, and for a value that the command line would not take.
    """
    given = read_file(path)
    try:
        defaults = vars(_parse([], add_arguments))
        known = {name: value for name, value in given.items() if name in defaults}
        arguments = [one for name, value in known.items() for one in _as_arguments(name, value, defaults[name])]
        parsed = vars(_parse(arguments, add_arguments))
    except VisionError as exc:
        raise VisionError(f"{path}: {exc}") from exc
    return {name: parsed[name] for name in known}, {name: value for name, value in given.items() if name not in known}


def read_file(path: Path) -> dict[str, Any]:
    """Return a file's entries by their names, in small letters and with `_`; raises `VisionError`."""
    try:
        with path.open("rb") as file:
            return {name.lower().replace("-", "_"): value for name, value in tomllib.load(file).items()}
    except OSError as exc:
        raise VisionError(f"{path} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise VisionError(f"{path} is no TOML: {exc}") from exc


def option(name: str) -> str:
    """Return an option as it is written at the command line."""
    return f"--{name.replace('_', '-')}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise VisionError(message)


def _parse(arguments: list[str], add_arguments: Callable[[argparse.ArgumentParser], None]) -> argparse.Namespace:
    """Parse options alone: what the command must be told at its line is left out."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    add_arguments(parser)
    return parser.parse_args(arguments)


def _as_arguments(name: str, value: Any, default: Any) -> list[str]:
    """Return an entry as arguments; an option that is off by default is a switch."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise VisionError(f"{name} = {value!r} is of the wrong kind; use true or false")
        return [option(name)] if value else []
    if isinstance(value, list) and all(map(_is_number, value)):
        return [option(name), *map(str, value)]
    if not isinstance(value, str) and not _is_number(value):
        raise VisionError(f"{name} = {value!r} is of the wrong kind; use text, a number, or a list of numbers")
    return [f"{option(name)}={value}"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
