"""All that vision says about one picture, in three stages: reading, segmenting, describing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from photos.vision.images import DecodedImage
from photos.vision.matching.features import extract_local_features
from photos.vision.types import (
    Box,
    Encoder,
    Image,
    ImageDescription,
    SegmentDescription,
    Segmenter,
    SegmentMask,
)

Progress: TypeAlias = Callable[[str], None]


def describe_image(
    image: DecodedImage | Image,
    *,
    encoder: Encoder,
    segmenter: Segmenter,
    with_local_features: bool = True,
    progress: Progress | None = None,
) -> ImageDescription:
    """Describe a picture: one from `read_image`, or an (H, W, 3) uint8 RGB array.

    Boxes, areas and keypoints are told in pixels of the upright original; the masks of a reduced
    `DecodedImage` keep its resolution. A blank picture has neither vector nor segments. `progress` is called
    with "reading", "segmenting" and "describing" as each begins.
    """
    report = progress or _silent
    report("reading")
    pixels, size = _pixels_and_size(image)
    report("segmenting")
    segments = segmenter.segment(pixels)
    report("describing")
    embedding = encoder.encode([pixels])[0]
    if embedding is None:
        return ImageDescription(None)
    features = extract_local_features(pixels, original_size=size) if with_local_features else None
    described = _describe_segments(pixels, segments, encoder, size)
    return ImageDescription(embedding, described, features)


def _silent(_stage: str) -> None:
    return None


def _pixels_and_size(image: DecodedImage | Image) -> tuple[Image, tuple[int, int]]:
    if isinstance(image, DecodedImage):
        return image.pixels, (image.width, image.height)
    pixels = np.ascontiguousarray(image).view()
    pixels.flags.writeable = False  # a view of our own: what is found in it may be remembered
    return pixels, (image.shape[1], image.shape[0])


def _describe_segments(
    pixels: Image, segments: Sequence[SegmentMask], encoder: Encoder, size: tuple[int, int]
) -> tuple[SegmentDescription, ...]:
    """Describe all segments in one call and leave out those with nothing to describe."""
    vectors = encoder.encode_segments(pixels, segments)
    return tuple(
        SegmentDescription(_in_original_pixels(segment, size), vector)
        for segment, vector in zip(segments, vectors, strict=True)
        if vector is not None
    )


def _in_original_pixels(segment: SegmentMask, size: tuple[int, int]) -> SegmentMask:
    height, width = segment.mask.shape
    if (width, height) == size:
        return segment
    across, down = size[0] / width, size[1] / height
    left, top = round(segment.box.x * across), round(segment.box.y * down)
    right = round((segment.box.x + segment.box.width) * across)
    bottom = round((segment.box.y + segment.box.height) * down)
    area = round(segment.area * across * down)
    return replace(segment, box=Box(left, top, right - left, bottom - top), area=area)
