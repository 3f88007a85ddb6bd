"""Vectors of photos from files of features into a space: streamed, and taken up again after any end."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now
from numpy.typing import NDArray

from photos import partitions, vectors
from photos.errors import CollectionError, SpaceStateError
from photos.models import EmbeddingSpace, Photo, PhotoEmbedding, PhotoState
from photos.models.embedding import SpaceState
from photos.services.spaces import current_spaces
from photos.vision.interchange import feature_files

logger = logging.getLogger(__name__)

ROWS_AT_ONCE: Final = 8_192
INDEX_MEMORY: Final = "512MB"
_NAMES_KEPT: Final = 5
_MEMORY: Final = re.compile(r"[1-9]\d*(kB|MB|GB)")


class FeaturesRefusedError(CollectionError):
    """Features that do not belong into a space; the message says why."""


@dataclass(slots=True)
class FeatureImportReport:
    """Rows written, of no photo here, of a name that several photos have, and empty ones; with the first names each."""

    written: int = 0
    unknown: int = 0
    ambiguous: int = 0
    empty: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, kind: str, name: str) -> None:
        """Count a row that was not written."""
        setattr(self, kind, getattr(self, kind) + 1)
        shown = self.examples.setdefault(kind, [])
        if len(shown) < _NAMES_KEPT:
            shown.append(name)


def import_features(
    paths: Sequence[Path],
    space: EmbeddingSpace,
    *,
    mark_described: bool = True,
    index_memory: str = INDEX_MEMORY,
    progress: Callable[[int], object] | None = None,
) -> FeatureImportReport:
    """Write the vectors of the photos that the ids of the files name, in the place of those they had in the space.

    An id names a photo by its uuid, a suffix behind it or not, or by its original name, with or without folders
    before it. With `mark_described` the photos count as described in the space, without segments; else workers
    describe them there as well. An empty space is indexed at the end, with `index_memory`: many times as fast. What
    is written stays if the import ends early; the same call goes on. Raises `FeaturesRefusedError`,
    `SpaceStateError` for a retired space, and `InterchangeError`.
    """
    space.refresh_from_db()
    if space.state == SpaceState.RETIRED:
        raise SpaceStateError(f"the space {space.slug!r} is retired")
    if not _MEMORY.fullmatch(index_memory):
        raise FeaturesRefusedError(f"memory is told as 512MB or 2GB, not {index_memory!r}")
    report = FeatureImportReport()
    with _indexed_at_the_end(space, memory=index_memory):
        for ids, rows in feature_files.iterate_features(paths, rows=ROWS_AT_ONCE, unescape=True):
            if rows.shape[1] != space.dimensions:
                raise FeaturesRefusedError(
                    f"expected {space.dimensions} dimensions for space {space.slug!r}, got {rows.shape[1]}"
                )
            found = _match(ids, rows, report)
            with transaction.atomic():
                vectors.write_photo_vectors(space, found)
                if mark_described:
                    _mark_described(space, found)
            report.written += len(found)
            if progress:
                progress(len(ids))
    return report


def _match(ids: Sequence[str], rows: NDArray[Any], report: FeatureImportReport) -> dict[int, NDArray[np.float32]]:
    """Return the rows by the ids of their photos; the last one wins where a photo comes twice."""
    numbers = rows.astype(np.float32)
    norms = np.linalg.norm(numbers, axis=1)
    photo_ids = _find_photos(ids)
    found: dict[int, NDArray[np.float32]] = {}
    for name, row, norm in zip(ids, numbers, norms, strict=True):
        matches = photo_ids.get(name, ())
        if len(matches) != 1:
            report.note("ambiguous" if matches else "unknown", name)
        elif not np.isfinite(norm) or norm == 0:
            report.note("empty", name)
        else:
            found[matches[0]] = row
    return found


def _find_photos(ids: Iterable[str]) -> dict[str, list[int]]:
    """Return the photos that each id names: by uuid, else by the original name, else by it without its folders."""
    wanted = list(ids)
    uuids = {name: one for name in wanted if (one := _as_uuid(name))}
    by_uuid = dict(Photo.objects.filter(uuid__in=uuids.values()).values_list("uuid", "pk"))
    found = {name: [by_uuid[one]] for name, one in uuids.items() if one in by_uuid}
    named = {name: PurePosixPath(name).name for name in wanted if name not in found}
    by_name = _photos_by_name({*named, *named.values()})
    for name, last in named.items():
        if matches := by_name.get(name) or by_name.get(last):
            found[name] = matches
    return found


def _photos_by_name(names: set[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for photo_id, name in Photo.objects.filter(original_name__in=names).values_list("pk", "original_name"):
        found.setdefault(name, []).append(photo_id)
    return found


def _as_uuid(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(PurePosixPath(name).stem)
    except ValueError:
        return None


def _mark_described(space: EmbeddingSpace, photo_ids: Iterable[int]) -> None:
    """Count photos that lack nothing but this space as described; those that lack another one, workers come to."""
    others = [one.pk for one in current_spaces() if one.pk != space.pk]
    newest = EmbeddingSpace.objects.filter(pk__in=others).aggregate(Max("created_at"))["created_at__max"]
    ready = Photo.objects.filter(pk__in=list(photo_ids), state=PhotoState.READY, indexed_at__lt=space.created_at)
    if newest is not None:
        ready = ready.filter(indexed_at__gte=newest)
    ready.update(indexed_at=Now())


@contextmanager
def _indexed_at_the_end(space: EmbeddingSpace, *, memory: str) -> Iterator[None]:
    """Load a space that is empty, or that a killed import left so, without its indexes, and make them after."""
    searched = space.state == SpaceState.ACTIVE
    bare = not partitions.has_indexes(space)
    if not bare and (searched or PhotoEmbedding.objects.filter(space=space).exists()):
        yield
        return
    _change_indexes(space, partitions.drop_indexes, memory)
    try:
        yield
    finally:
        _change_indexes(space, partitions.create_indexes, memory)
        logger.info("indexed the space %s", space.slug)


def _change_indexes(space: EmbeddingSpace, change: Callable[[EmbeddingSpace], None], memory: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # rows whose keys are still to be checked forbid the change
        cursor.execute("SELECT set_config('maintenance_work_mem', %s, true)", [memory])
        change(space)
