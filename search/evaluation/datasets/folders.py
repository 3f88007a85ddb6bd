"""What the readers share: saying what is missing where, and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from photos.vision.types import Box
from search.evaluation.errors import EvaluationError


def require(path: Path, *, dataset: str, what: str) -> Path:
    """Return `path` if it is there; raises `EvaluationError` that names the data set and what was expected where."""
    if not path.exists():
        raise EvaluationError(f"{dataset} is not here: expected {what} at {path}")
    return path


def find_first(paths: Sequence[Path], *, dataset: str, what: str) -> Path:
    """Return the first of the paths that is there; raises `EvaluationError`."""
    for path in paths:
        if path.exists():
            return path
    raise EvaluationError(f"{dataset} is not here: expected {what} at {' or '.join(map(str, paths))}")


def to_box(sides: Sequence[object], *, where: object) -> Box:
    """Return the box of x, y, width and height, which may be told as text or with fractions."""
    try:
        x, y, width, height = (round(float(str(side))) for side in sides)
    except ValueError as exc:
        raise EvaluationError(f"{where}: expected a box x y width height, got {' '.join(map(str, sides))!r}") from exc
    return Box(x, y, width, height)


def read_boxes(path: Path) -> tuple[Box, ...]:
    """Return the boxes of a text file, one of four numbers a line; none where there is no file."""
    if not path.exists():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(to_box(line.replace(",", " ").split(), where=path) for line in lines if line.strip())
