"""Questions about a part of a picture: a drawn box or one of its segments, of a stored photo or of an upload.

Boxes and points stay in pixels of the whole upright picture.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photos.models import EmbeddingSpace, Photo
from photos.services.reading import read_photo
from photos.vision.images import DecodedImage
from photos.vision.types import Image, LocalFeatures
from search.errors import QuestionError
from search.questions import describe_query, query_of_photo
from search.types import Filters, Progress, Query

PixelBox = tuple[int, int, int, int]


def ask_with_box(
    image: DecodedImage | Image, box: PixelBox, *, space: EmbeddingSpace, filters: Filters, progress: Progress
) -> Query | None:
    """Return the query that the part of a picture in `box` asks; None where it shows nothing.

    Raises `QuestionError` for a box that does not lie in the picture.
    """
    pixels = image.pixels if isinstance(image, DecodedImage) else image
    size = (image.width, image.height) if isinstance(image, DecodedImage) else (pixels.shape[1], pixels.shape[0])
    x, y, width, height = box
    if x + width > size[0] or y + height > size[1]:
        raise QuestionError(
            f"expected a part of the picture of {size[0]} x {size[1]} pixels; got {list(box)}", name="box"
        )
    part, scale = _cut(pixels, size, box)
    query = describe_query(part, space=space, filters=filters, progress=progress)
    return None if query is None else _placed(query, (x, y), scale, size)


def ask_with_box_of_photo(
    photo: Photo, box: PixelBox, *, space: EmbeddingSpace, filters: Filters, progress: Progress
) -> Query | None:
    """The same of a stored photo."""
    try:
        picture = read_photo(str(photo.image.name))
    except FileNotFoundError as exc:
        raise QuestionError("its picture is missing, so no part of it can be looked at", name="photo") from exc
    return ask_with_box(picture, box, space=space, filters=filters, progress=progress)


def ask_with_segment(
    image: DecodedImage | Image, rank: int, *, space: EmbeddingSpace, filters: Filters, progress: Progress
) -> Query | None:
    """Return the query that one segment of a picture asks; None for a blank picture."""
    query = describe_query(image, space=space, filters=filters, progress=progress)
    return None if query is None else _segment_of(query, rank)


def ask_with_segment_of_photo(photo: Photo, rank: int, *, space: EmbeddingSpace, filters: Filters) -> Query | None:
    """The same of a stored photo; None while `space` does not describe it."""
    query = query_of_photo(photo, space=space, filters=filters)
    return None if query is None else _segment_of(query, rank)


def _segment_of(query: Query, rank: int) -> Query:
    segment = next((one for one in query.segments if one.rank == rank), None)
    if segment is None:
        ranks = [one.rank for one in query.segments]
        raise QuestionError(f"expected one of {', '.join(map(str, ranks)) or 'none'}; got {rank}", name="segment")
    features = None if query.local_features is None else _within(query.local_features, segment.box)
    return replace(query, embedding=segment.embedding, segments=(segment,), tags=(), local_features=features)


def _within(features: LocalFeatures, box: PixelBox) -> LocalFeatures:
    x, y, width, height = box
    points = features.keypoints
    inside = (points[:, 0] >= x) & (points[:, 0] < x + width) & (points[:, 1] >= y) & (points[:, 1] < y + height)
    return replace(features, keypoints=points[inside], descriptors=features.descriptors[inside])


def _cut(pixels: Image, size: tuple[int, int], box: PixelBox) -> tuple[Image, tuple[float, float]]:
    """Return the box's part of perhaps reduced pixels, and how many of the upright picture's each of its pixels is."""
    across, down = pixels.shape[1] / size[0], pixels.shape[0] / size[1]
    left, top = int(box[0] * across), int(box[1] * down)
    right, bottom = max(round((box[0] + box[2]) * across), left + 1), max(round((box[1] + box[3]) * down), top + 1)
    part = np.ascontiguousarray(pixels[top:bottom, left:right])
    return part, (box[2] / part.shape[1], box[3] / part.shape[0])


def _placed(query: Query, offset: tuple[int, int], scale: tuple[float, float], size: tuple[int, int]) -> Query:
    """Return the query with its boxes and points where they are in the whole picture."""

    def place(box: PixelBox) -> PixelBox:
        x, y = (round(box[axis] * scale[axis]) + offset[axis] for axis in (0, 1))
        return (x, y, round(box[2] * scale[0]), round(box[3] * scale[1]))

    features = query.local_features
    if features is not None:
        points = (features.keypoints + 0.5) * np.array(scale, np.float32) - 0.5 + np.array(offset, np.float32)
        features = replace(features, keypoints=np.asarray(points, np.float32), image_size=size)
    segments = tuple(replace(one, box=place(one.box)) for one in query.segments)
    return replace(query, segments=segments, local_features=features)
