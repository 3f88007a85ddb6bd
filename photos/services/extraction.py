"""The collection as data for research: vectors that are stored, and the pictures for describing them otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from django.core.files.storage import default_storage

from photos import vectors
from photos.errors import CollectionError
from photos.models import EmbeddingSpace, Photo
from photos.vision.bulk.sources import Entry, Listing
from photos.vision.interchange.feature_files import open_writer

PHOTOS_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Export:
    """Vectors written, now and by a run before, and photos that have none in the space yet."""

    rows: int
    without: int


def export_vectors(
    space: EmbeddingSpace,
    path: Path,
    *,
    dtype: str = "float16",
    segments: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Export:
    """Write a space's vectors into a file of features, in the photos' order; may be stopped and started again.

    An id is a photo's public uuid; with `segments` the rows are those of the photos' segments, `uuid/rank`. Raises
    `VisionError` where the file is there already.
    """
    without = 0
    with open_writer(path, dtype=dtype) as writer:
        written = set(writer.ids)
        whole = {one.partition("/")[0] for one in writer.ids}
        whole -= {one.partition("/")[0] for one in writer.ids[-1:]}  # some segments of the last may be missing
        for page in _pages(Photo.objects.order_by("pk").values_list("pk", "uuid")):
            wanted = {pk: str(uuid) for pk, uuid in page if str(uuid) not in whole}
            rows = dict(_rows(space, wanted, segments=segments))
            new = [one for one in rows if one not in written]
            if new:
                writer.append(new, np.stack([rows[one] for one in new]))
            without += len(wanted) - len({one.partition("/")[0] for one in rows})
            if progress:
                progress(len(page))
        count = len(writer.ids)
        if count:
            writer.finish()
    return Export(count, without)


def list_collection(*, limit: int = 0) -> Listing:
    """List the collection's pictures, by uuid, where they lie; raises `CollectionError` where that is no disk."""
    entries = []
    for uuid, name in Photo.objects.order_by("pk").values_list("uuid", "image")[: limit or None]:
        try:
            entries.append(Entry(str(uuid), default_storage.path(str(name))))
        except NotImplementedError as exc:
            raise CollectionError(
                "The pictures are not on this machine's disk; give the vectors of a space (--space), or copy the "
                "pictures to a folder and use python -m photos.vision extract."
            ) from exc
    return Listing(entries, [])


def _pages(rows: object) -> Iterator[list[tuple[int, object]]]:
    page: list[tuple[int, object]] = []
    for row in rows.iterator(chunk_size=PHOTOS_AT_ONCE):  # type: ignore[attr-defined]
        page.append(row)
        if len(page) == PHOTOS_AT_ONCE:
            yield page
            page = []
    if page:
        yield page


def _rows(space: EmbeddingSpace, wanted: dict[int, str], *, segments: bool) -> Iterator[tuple[str, vectors.Vector]]:
    of_photos, of_segments = vectors.read_vectors(space, list(wanted))
    for pk, uuid in wanted.items():
        if not segments and pk in of_photos:
            yield uuid, of_photos[pk]
        elif segments:
            for rank, vector in sorted(of_segments.get(pk, {}).items()):
                yield f"{uuid}/{rank}", vector
