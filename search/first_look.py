"""A first answer from the picture as a whole, told while its segments are still being worked out."""

from __future__ import annotations

from typing import Any

from photos.models import EmbeddingSpace
from photos.querysets import Viewer
from photos.services import availability
from photos.vision.images import DecodedImage
from photos.vision.types import Image
from search.candidates import find_candidates
from search.ranking import merge_verifications
from search.records import match_to_record
from search.types import Filters, Match, Query


def look_first(
    image: DecodedImage | Image, *, space: EmbeddingSpace, viewer: Viewer, filters: Filters, limit: int
) -> list[Match]:
    """Return the photos nearest by the whole picture's vector alone, best first, none verified.

    A blank picture has none.
    """
    pixels = image.pixels if isinstance(image, DecodedImage) else image
    embedding = availability.load_encoder(space).encode([pixels])[0]
    if embedding is None:
        return []
    query = Query(embedding, space.slug, filters=filters)
    return merge_verifications(find_candidates(query, space=space, viewer=viewer, limit=limit), {})


def look_to_record(matches: list[Match], space: EmbeddingSpace) -> dict[str, Any]:
    return {"space": space.slug, "matches": [match_to_record(match) for match in matches]}
