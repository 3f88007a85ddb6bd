"""Photos with made-up vectors, written as the worker writes them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.utils import timezone

from photos import partitions, vectors
from photos.models import EmbeddingSpace, Photo, PhotoTag, Tag
from photos.models.embedding import SpaceState
from search.types import Query, QuerySegment

DIMENSIONS = 16
_numbers = itertools.count(1)


def make_space(slug: str = "made-up", *, state: str = SpaceState.ACTIVE) -> EmbeddingSpace:
    space = EmbeddingSpace.objects.create(
        slug=slug, encoder="made-up", segmenter="windows", dimensions=DIMENSIONS, state=state
    )
    partitions.create_partitions(space)
    return space


def unit(values: Any) -> np.ndarray:
    array = np.asarray(values, np.float32)
    return np.asarray(array / np.linalg.norm(array, axis=-1, keepdims=True))


def random_units(count: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSIONS)))


def new_photo(**fields: Any) -> Photo:
    """An unsaved photo, ready, at the given place if any."""
    number = next(_numbers)
    if fields.get("latitude") is not None:
        fields.setdefault("location_source", "manual")
    defaults = {
        "image": f"photos/{number}.jpg",
        "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
        "width": 640,
        "height": 480,
        "state": "ready",
        "indexed_at": timezone.now(),
    }
    return Photo(**{**defaults, **fields})


def add_photos(
    space: EmbeddingSpace, wholes: np.ndarray, *, segments: Sequence[np.ndarray] | np.ndarray = (), **fields: Any
) -> list[Photo]:
    """Save one photo per row of `wholes` (N, D); `segments` holds for each the (S, D) of its segments."""
    photos = Photo.objects.bulk_create([new_photo(**fields) for _ in wholes])
    vectors.write_photo_vectors(space, {photo.pk: row for photo, row in zip(photos, wholes, strict=True)})
    if len(segments):
        ranked = {photo.pk: dict(enumerate(rows)) for photo, rows in zip(photos, segments, strict=True)}
        vectors.write_segment_vectors(space, ranked)
    return photos


def add_photo(space: EmbeddingSpace, whole: Any, *, tags: Sequence[str] = (), **fields: Any) -> Photo:
    photo = add_photos(space, unit([whole]), **fields)[0]
    for name in tags:
        tag, _ = Tag.objects.get_or_create(slug=name, defaults={"name": name})
        PhotoTag.objects.create(photo=photo, tag=tag)
    return photo


def make_query(whole: Any, segments: Sequence[Any] | np.ndarray = (), **options: Any) -> Query:
    asked = tuple(QuerySegment(rank, unit(one), (rank, 0, 10, 10)) for rank, one in enumerate(segments))
    return Query(unit(whole), "made-up", asked, **options)
