"""Bars for long work: on a terminal tqdm's; elsewhere, in a log, a plain line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from tqdm import tqdm

LINE_EVERY_S: Final = 30.0


def progress_bar(**options: Any) -> tqdm[Any]:
    """Return a bar with tqdm's `options`; short work leaves no line in a log."""
    if sys.stderr.isatty():
        return tqdm(**options)
    return _Lines(mininterval=LINE_EVERY_S, maxinterval=2 * LINE_EVERY_S, delay=LINE_EVERY_S, ncols=100, **options)


class _Lines(tqdm):  # type: ignore[type-arg]
    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        def print_line(text: str) -> None:
            file.write(text + "\n")
            file.flush()

        return print_line
