"""What the workers run: thin, by id, and safe to run twice."""

from __future__ import annotations

from photos.services import indexing


def index_photo(photo_id: int) -> bool:
    """Index a photo, if it still needs it and nobody else is at it."""
    return indexing.index_now(photo_id)
