"""A photo as a card of the grid."""

from __future__ import annotations

from typing import Any, Final

from photos.models import Photo
from photos.pages.asking import Asked

CARD_HEIGHT_PX: Final = 240
"""Of a card that the grid has stretched: what the browser chooses a copy by."""


def card_of(photo: Photo, asked: Asked) -> dict[str, Any]:
    """Return what the card says; its link leads to the photo among those that fit the same filters."""
    ratio = photo.width / max(photo.height, 1)
    return {
        "photo": photo,
        "ratio": f"{ratio:.3f}",
        "sizes": f"{min(max(ratio, 0.6), 2.2) * CARD_HEIGHT_PX:.0f}px",
        "url": photo.get_absolute_url() + (f"?{asked.query}" if asked.query else ""),
    }
