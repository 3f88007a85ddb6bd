"""From a picture, or a stored photo, to a query in a space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from django.core.files.base import File
from django.utils import timezone

from photos.exif import ExifFacts, read_exif
from photos.intake import upload_limits
from photos.models import EmbeddingSpace, LocalFeatures, Photo, PhotoEmbedding, Segment, SegmentEmbedding
from photos.services import availability, vocabulary
from photos.services.reading import WORKING_SIDE
from photos.vision import registry
from photos.vision.describe import describe_image
from photos.vision.images import DecodedImage, read_image
from photos.vision.matching.features import from_bytes
from photos.vision.types import Box, Image
from search.distinctiveness import NEUTRAL
from search.models import SegmentWeight
from search.types import Filters, Progress, Query, QuerySegment

PictureSource: TypeAlias = "bytes | Path | BinaryIO | File[bytes] | DecodedImage | Image"
"""An encoded picture, or one decoded already, which has no EXIF any more."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture with what its camera wrote; None where that is not known."""

    image: DecodedImage | Image
    exif: ExifFacts | None


def read_picture(source: PictureSource) -> Picture:
    """Decode a picture as the collection's photos are decoded; raises `ImageRefused`."""
    if isinstance(source, DecodedImage | np.ndarray):
        return Picture(source, None)
    data = _read_bytes(source)
    image = read_image(data, limits=upload_limits(), max_side=WORKING_SIDE)
    return Picture(image, read_exif(data, default_zone=timezone.get_default_timezone()))


def _read_bytes(source: bytes | Path | BinaryIO | File[bytes]) -> bytes:
    """Return at most one byte more than is allowed: enough to be refused by."""
    if isinstance(source, bytes):
        return source
    limit = upload_limits().max_bytes + 1
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(limit)
    source.seek(0)
    return bytes(source.read(limit))


def describe_query(
    image: DecodedImage | Image, *, space: EmbeddingSpace, filters: Filters, progress: Progress
) -> Query | None:
    """Return the query that a picture asks in `space`, None for one that shows nothing (a blank one)."""
    described = describe_image(
        image,
        vocabulary=vocabulary.load_vocabulary(space),
        tag_cut=vocabulary.tag_cut(space),
        encoder=availability.load_encoder(space),
        segmenter=registry.get_segmenter(space.segmenter),
        progress=progress,
    )
    if described.embedding is None:
        return None
    segments = tuple(
        QuerySegment(
            rank, one.embedding, _box(one.segment.box), one.segment.predicted_iou * one.segment.stability_score
        )
        for rank, one in enumerate(described.segments)
    )
    tags = tuple(tag.slug for tag in described.tags)
    return Query(described.embedding, space.slug, segments, tags, filters, described.local_features)


def query_of_photo(photo: Photo, *, space: EmbeddingSpace, filters: Filters) -> Query | None:
    """Return the query that a stored photo asks, itself left out; None where `space` has no vector of it."""
    whole = PhotoEmbedding.objects.filter(space=space, photo=photo).values_list("vector", flat=True).first()
    if whole is None:
        return None
    segments = _stored_segments(photo, space)
    # the picture says none of its place tags: with them the record of the place would answer for it
    said = photo.photo_tags.filter(source="automatic", tag__is_place=False)
    tags = tuple(said.order_by("tag__slug").values_list("tag__slug", flat=True))
    features = LocalFeatures.objects.filter(photo=photo).values_list("data", flat=True).first()
    return Query(
        embedding=_vector(whole),
        space=space.slug,
        segments=segments,
        tags=tags,
        filters=filters,
        local_features=None if features is None else from_bytes(bytes(features)),
    )


def _stored_segments(photo: Photo, space: EmbeddingSpace) -> tuple[QuerySegment, ...]:
    embeddings = SegmentEmbedding.objects.filter(space=space, photo=photo).order_by("rank")
    seen = {
        one.rank: one for one in Segment.objects.filter(photo=photo, segmenter=space.segmenter).defer("mask_counts")
    }
    weights = dict(SegmentWeight.objects.filter(space=space, photo=photo).values_list("rank", "weight"))
    return tuple(
        QuerySegment(
            rank,
            _vector(vector),
            _box(seen[rank].box),
            seen[rank].predicted_iou * seen[rank].stability_score,
            weights.get(rank, NEUTRAL),
        )
        for rank, vector in embeddings.values_list("rank", "vector")
        if rank in seen
    )


def segment_boxes(photo_ids: list[int], space: EmbeddingSpace) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    """Return the boxes of photos' segments in `space` by photo id and rank, in pixels of the upright pictures."""
    rows = Segment.objects.filter(photo_id__in=photo_ids, segmenter=space.segmenter)
    return {
        (photo_id, rank): (x, y, width, height)
        for photo_id, rank, x, y, width, height in rows.values_list("photo_id", "rank", "x", "y", "width", "height")
    }


def _box(box: Box) -> tuple[int, int, int, int]:
    return (int(box.x), int(box.y), int(box.width), int(box.height))


def _vector(stored: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.asarray(stored, np.float32)
