"""All that vision says about one picture, in three stages: reading, segmenting, describing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from photos.vision.images import DecodedImage
from photos.vision.matching.features import extract_local_features
from photos.vision.tags import DEFAULT_CUT, Vocabulary, tag_picture
from photos.vision.types import (
    BatchEncoder,
    Box,
    Encoder,
    Image,
    ImageDescription,
    SegmentDescription,
    Segmenter,
    SegmentMask,
)

Progress: TypeAlias = Callable[[str], None]
Vector: TypeAlias = NDArray[np.float32]


def describe_image(
    image: DecodedImage | Image,
    *,
    encoder: Encoder,
    segmenter: Segmenter,
    with_local_features: bool = True,
    with_global: bool = True,
    vocabulary: Vocabulary | None = None,
    tag_cut: float = DEFAULT_CUT,
    progress: Progress | None = None,
) -> ImageDescription:
    """Describe a picture: one from `read_image`, or an (H, W, 3) uint8 RGB array.

    Boxes, areas and keypoints are told in pixels of the upright original; the masks of a reduced
    `DecodedImage` keep its resolution. A blank picture has neither vector nor segments; without `with_global`
    the picture as a whole has none. A `vocabulary` of the encoder's space gives tags. `progress` is called with
    "reading", "segmenting" and "describing" as each begins.
    """
    report = progress or _silent
    report("reading")
    pixels, size = _pixels_and_size(image)
    report("segmenting")
    segments = segmenter.segment(pixels)
    report("describing")
    embedding, vectors = _encode(encoder, pixels, segments, with_global=with_global)
    if embedding is None and with_global:
        return ImageDescription(None)
    features = extract_local_features(pixels, original_size=size) if with_local_features else None
    described = [
        SegmentDescription(_in_original_pixels(segment, size), vector)
        for segment, vector in zip(segments, vectors, strict=True)
        if vector is not None
    ]
    found = ImageDescription(embedding, tuple(described), features)
    return found if vocabulary is None else _tagged(found, vocabulary, tag_cut)


def _silent(_stage: str) -> None:
    return None


def _pixels_and_size(image: DecodedImage | Image) -> tuple[Image, tuple[int, int]]:
    if isinstance(image, DecodedImage):
        return image.pixels, (image.width, image.height)
    pixels = np.ascontiguousarray(image).view()
    pixels.flags.writeable = False  # a view of our own: what is found in it may be remembered
    return pixels, (image.shape[1], image.shape[0])


def _encode(
    encoder: Encoder, pixels: Image, segments: Sequence[SegmentMask], *, with_global: bool
) -> tuple[Vector | None, list[Vector | None]]:
    """Return the picture's vector and its segments', in one batch where the encoder can."""
    if not with_global:
        return None, encoder.encode_segments(pixels, segments)
    if isinstance(encoder, BatchEncoder):
        return encoder.encode_all(pixels, segments)
    embedding = encoder.encode([pixels])[0]
    return embedding, [] if embedding is None else encoder.encode_segments(pixels, segments)


def _tagged(found: ImageDescription, vocabulary: Vocabulary, cut: float) -> ImageDescription:
    tags, of_segments = tag_picture(found.embedding, [one.embedding for one in found.segments], vocabulary, cut=cut)
    segments = (replace(one, tags=own) for one, own in zip(found.segments, of_segments, strict=True))
    return replace(found, segments=tuple(segments), tags=tags)


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
