"""Writing described photos, a transaction each, into the full collection: the app's way against plain ORM rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from photos import vectors
from photos.models import EmbeddingSpace, Photo, PhotoEmbedding, SegmentEmbedding
from tests.benchmarks.search_places import Floats
from tests.benchmarks.search_timing import Way, median_ratio, print_courses, take_turns
from tests.benchmarks.search_world import QUICK, Collection

PHOTOS: Final = 10 if QUICK else 60
OURS, ORM = "ours: photos.vectors", "ORM, a row at a time"


def measure_ingest(collection: Collection) -> dict[str, Any]:
    """Print both ways and return the figure of `ingest_tx_s`; what was written is removed again."""
    space, questions = collection.space, collection.questions
    spare = Photo.objects.bulk_create(
        [
            Photo(
                image=f"i/{number}.jpg",
                sha256=f"i{number:063x}",
                width=9,
                height=9,
                state="failed",
                indexed_at=timezone.now(),
            )
            for number in range(2 * (PHOTOS + 3))
        ]
    )
    ids = iter([photo.pk for photo in spare])

    def written(write: Callable[[EmbeddingSpace, int, Floats, Floats], None]) -> Callable[[int], None]:
        def ask(number: int) -> None:
            with transaction.atomic():
                write(space, next(ids), questions.wholes[number], questions.segments[number])

        return ask

    try:
        courses = take_turns([Way(OURS, written(_write_ours)), Way(ORM, written(_write_rows))], PHOTOS)
    finally:
        for table in (vectors.PHOTO_TABLE, vectors.SEGMENT_TABLE):
            vectors.delete_vectors(table, space, [photo.pk for photo in spare])
        Photo.objects.filter(pk__in=[photo.pk for photo in spare]).delete()
    print_courses(f"a photo with 10 segments into {len(collection)}", courses, {})
    return {
        "ours": round(1000 / courses[OURS].median_ms, 1),
        "reference": round(1000 / courses[ORM].median_ms, 1),
        "ratio": round(median_ratio(courses[ORM], courses[OURS]), 2),
        "unit": "1/s",
    }


def _write_ours(space: EmbeddingSpace, photo_id: int, whole: Floats, segments: Floats) -> None:
    vectors.write_photo_vectors(space, {photo_id: whole})
    vectors.write_segment_vectors(space, {photo_id: dict(enumerate(segments))})


def _write_rows(space: EmbeddingSpace, photo_id: int, whole: Floats, segments: Floats) -> None:
    PhotoEmbedding.objects.filter(space=space, photo_id=photo_id).delete()
    SegmentEmbedding.objects.filter(space=space, photo_id=photo_id).delete()
    PhotoEmbedding.objects.create(space=space, photo_id=photo_id, is_public=True, vector=whole.tolist())
    for rank, vector in enumerate(segments):
        SegmentEmbedding.objects.create(
            space=space, photo_id=photo_id, rank=rank, is_public=True, vector=vector.tolist()
        )
