"""What stands beside a photo's form: its segments, its indexing, and where to find the like."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.urls import reverse

from photos.models import Photo, PhotoState, PhotoTag, Segment, TagSource
from photos.outlines import outline_path

HUES = 10
"""Colours in the style sheet."""


def photo_panels(photo: Photo) -> dict[str, Any]:
    return {
        "photo": photo,
        "display_url": reverse("photo-image", args=[photo.uuid, "display"]),
        "original_url": reverse("photo-original", args=[photo.uuid]),
        "similar_url": reverse("api-similar", args=[photo.uuid]),
        "segmenters": list(_segmenters(photo)),
        "automatic_tags": PhotoTag.objects.filter(photo=photo, source=TagSource.AUTOMATIC)
        .select_related("tag")
        .order_by("-score"),
        "open_proposals": photo.proposals.filter(state="open").count(),
        "gaps": photo.gaps.select_related("space").order_by("space__slug"),
        "may_retry": photo.state in {PhotoState.FAILED, PhotoState.QUARANTINED} or photo.gaps.exists(),
    }


def _segmenters(photo: Photo) -> Iterator[dict[str, Any]]:
    segments = photo.segments.order_by("segmenter", "rank").prefetch_related("segment_tags__tag")
    for segmenter, found in groupby(segments, key=lambda segment: segment.segmenter):
        yield {"name": segmenter, "segments": [_drawn(segment, photo) for segment in found]}


def _drawn(segment: Segment, photo: Photo) -> dict[str, Any]:
    return {
        "rank": segment.rank,
        "path": outline_path(segment, photo_width=photo.width, photo_height=photo.height),
        "share": 100 * segment.area / max(1, photo.width * photo.height),
        "predicted_iou": segment.predicted_iou,
        "stability_score": segment.stability_score,
        "hue_class": segment.rank % HUES,
        "tags": [given.tag.name for given in segment.segment_tags.all()],
    }
