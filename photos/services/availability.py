"""Which spaces this machine can describe in: their models' files are here, those they were made with, and load.

What is missing is told once a minute for each space, however many photos wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from photos.models import EmbeddingSpace
from photos.vision import catalogue, registry, weights
from photos.vision.errors import UnknownModelError, WeightsCorruptError
from photos.vision.types import Encoder, WeightFile

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
_digests: Final[dict[Path, str]] = {}
"""Of the files that spaces were made with, as they were last looked at."""
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
    if why := _replacement(space, files):
        return why
    known = _outages.get(space.pk)
    if known and known.ends_at > time.monotonic() and known.files == _look_of(files):
        return known.reason
    return ""


def available(spaces: Iterable[EmbeddingSpace]) -> list[EmbeddingSpace]:
    """Return those of the spaces that this machine can describe photos in now."""
    return [space for space in spaces if not outage(space)]


def load_encoder(space: EmbeddingSpace) -> Encoder:
    """Return the space's encoder, loaded once per process.

    Raises `WeightsCorruptError` where a file is not the one that the space was made with, and what the registry raises.
    """
    if why := _replacement(space, _files(space)):
        raise WeightsCorruptError(why)
    return registry.get_encoder(space.encoder)


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
        _digests.clear()


def _replacement(space: EmbeddingSpace, files: Iterable[WeightFile]) -> str:
    """Return which file is another than the one that the space was made with, and what to do; nothing where none is.

    What was loaded from a file that was replaced since is loaded anew.
    """
    made_with = space.spec.get("digests", {})
    for file in files:
        expected, path = made_with.get(file.name), weights.path_of(file)
        if expected is None or not path.is_file():
            continue
        digest = weights.digest_once(path)
        with _lock:
            before, _digests[path] = _digests.get(path, digest), digest
        if digest != before:
            registry.forget_made()
        if digest != expected:
            return (
                f"The weights {path} are not those that the space {space.slug} was made with: they have the SHA-256"
                f" {digest[:12]}..., expected {expected[:12]}.... Put the old file back, or let searches use another"
                " space and go on with the new file in one of its own: `manage.py models build NAME --encoder"
                f" {space.encoder} --segmenter {space.segmenter} --own-weights`."
            )
    return ""


def _files(space: EmbeddingSpace) -> list[WeightFile]:
    """Return the weight files of a space as it was made; knowing them loads nothing."""
    of_encoder = [WeightFile(**one) for one in space.spec.get("weights", [])]
    return [*of_encoder, *catalogue.files_of_segmenter(space.segmenter)]


def _look_of(files: Iterable[WeightFile]) -> tuple[tuple[int, int], ...]:
    """Return what changes when a file is replaced."""
    paths = [weights.path_of(file) for file in files]
    return tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.is_file())
