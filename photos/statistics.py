"""How much the collection holds, counting only what the viewer may see."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.db.models import Count, Model, QuerySet

from photos.models import EmbeddingSpace, Photo, PhotoEmbedding, PhotoState, SegmentEmbedding
from photos.querysets import Viewer, is_curator

NVIDIA = Path("/dev/nvidiactl")


def collect_statistics(*, viewer: Viewer) -> dict[str, Any]:
    """Return `photos`, `by_state` (every state, also the empty ones), `spaces` and `device`."""
    by_state = count_states(Photo.objects.all().visible_to(viewer))
    return {
        "photos": sum(by_state.values()),
        "by_state": by_state,
        "spaces": _spaces(viewer),
        "device": compute_device(),
    }


def count_states(photos: QuerySet[Photo]) -> dict[str, int]:
    found = dict(photos.order_by().values_list("state").annotate(count=Count("pk")))
    return {state.value: found.get(state.value, 0) for state in PhotoState}


def _spaces(viewer: Viewer) -> list[dict[str, Any]]:
    photos = _count_by_space(PhotoEmbedding.objects.all(), viewer)
    segments = _count_by_space(SegmentEmbedding.objects.all(), viewer)
    return [
        {
            "slug": space.slug,
            "state": space.state,
            "dimensions": space.dimensions,
            "photos": photos.get(space.pk, 0),
            "segments": segments.get(space.pk, 0),
        }
        for space in EmbeddingSpace.objects.order_by("state", "slug")
    ]


def _count_by_space(vectors: QuerySet[Any, Model], viewer: Viewer) -> dict[int, int]:
    if not is_curator(viewer):
        visible = Photo.objects.all().visible_to(viewer)
        vectors = vectors.filter(photo__in=visible.order_by())
    return dict(vectors.order_by().values_list("space_id").annotate(count=Count("photo_id")))


def compute_device() -> str:
    """Return "cuda" or "cpu" without loading torch into a web process."""
    return "cuda" if NVIDIA.exists() and find_spec("torch") else "cpu"
