"""Which spaces this machine can describe photos in: their models' files are here, and load.

What is missing is told once a minute for each space, however many photos wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from photos.models import EmbeddingSpace
from photos.vision import catalogue, weights
from photos.vision.errors import UnknownModelError
from photos.vision.types import WeightFile

logger = logging.getLogger(__name__)

PAUSE_S: Final = 60.0
"""For so long a space is left alone whose models did not load, unless their files change."""


@dataclass(frozen=True, slots=True)
class _Outage:
    reason: str
    ends_at: float
    files: tuple[tuple[int, int], ...]


_outages: Final[dict[int, _Outage]] = {}
_told_at: Final[dict[int, float]] = {}
_lock: Final = threading.Lock()


def outage(space: EmbeddingSpace) -> str:
    """Return why photos cannot be described in the space on this machine now; nothing where they can."""
    try:
        files = _files(space)
    except UnknownModelError as exc:
        return str(exc)
    for file in files:
        if not weights.is_present(file):
            return f"The weights {file.name} are not in {weights.model_dir()}. {weights.hint(file)}"
    known = _outages.get(space.pk)
    if known and known.ends_at > time.monotonic() and known.files == _look_of(files):
        return known.reason
    return ""


def available(spaces: Iterable[EmbeddingSpace]) -> list[EmbeddingSpace]:
    """Return those of the spaces that this machine can describe photos in now."""
    return [space for space in spaces if not outage(space)]


def note_outage(space: EmbeddingSpace, problem: Exception) -> None:
    """Leave the space alone for a while: its models are not here, or did not load."""
    try:
        look = _look_of(_files(space))
    except UnknownModelError:
        look = ()
    with _lock:
        _outages[space.pk] = _Outage(str(problem), time.monotonic() + PAUSE_S, look)
    tell(space, str(problem))


def tell(space: EmbeddingSpace, reason: str) -> None:
    """Log what photos wait for, at most once a minute for each space."""
    now = time.monotonic()
    with _lock:
        if now - _told_at.get(space.pk, -PAUSE_S) < PAUSE_S:
            return
        _told_at[space.pk] = now
    logger.error("photos wait for the space %s: %s", space.slug, reason)


def forget() -> None:
    """Begin anew: with other weights, or another configuration."""
    with _lock:
        _outages.clear()
        _told_at.clear()


def _files(space: EmbeddingSpace) -> list[WeightFile]:
    """Return the weight files of a space as it was made; knowing them loads nothing."""
    of_encoder = [WeightFile(**one) for one in space.spec.get("weights", [])]
    return [*of_encoder, *catalogue.files_of_segmenter(space.segmenter)]


def _look_of(files: Iterable[WeightFile]) -> tuple[tuple[int, int], ...]:
    """Return what changes when a file is replaced."""
    paths = [weights.path_of(file) for file in files]
    return tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.is_file())
