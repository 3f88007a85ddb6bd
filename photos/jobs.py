"""What the workers run: thin, by id, and safe to run twice."""

from __future__ import annotations

from typing import Final

from photos.models import EmbeddingSpace
from photos.services import duplicates, graphs, indexing, places, vocabulary

RETAG_S: Final = 60.0
"""Then other jobs get their turn; the reconciler has the rest done."""


def index_photo(photo_id: int) -> bool:
    """Index a photo, if it still needs it and nobody else is at it."""
    done = indexing.index_now(photo_id)
    places.tag_place(photo_id)
    if done:
        duplicates.note_duplicates(photo_id)
        indexing.follow_up(photo_id)
    return done


def tag_place(photo_id: int) -> bool:
    """Give a photo the tags of its place, if they are not its own yet."""
    return places.tag_place(photo_id)


def move_vectors(photo_id: int) -> bool:
    """Put a photo's vectors among the public or the private photos', if they are not there yet."""
    return graphs.move_vectors(photo_id)


def retag(space_id: int) -> bool:
    """Tag the photos anew from the vectors of a space, for a while."""
    space = EmbeddingSpace.objects.filter(pk=space_id).first()
    return space is not None and vocabulary.retag(space, limit_s=RETAG_S)
