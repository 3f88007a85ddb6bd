"""A small indexed town."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from photos.models import Photo
from photos.services.collection import add_photo
from photos.services.indexing import index_now
from photos.services.spaces import ensure_default_space
from tests.search.pictures import picture_of

GATE, TOWER = (41.0, -39.9), (52.5, 13.4)


@dataclass(frozen=True)
class Town:
    """Two places of two views each, far apart, and a third place whose photo nobody placed."""

    gate: list[Photo]
    tower: list[Photo]
    unplaced: list[Photo]


def index_picture(data: bytes, **fields: Any) -> Photo:
    photo = add_photo(data, **fields)
    assert index_now(photo.pk)
    return photo


def build_town() -> Town:
    """The pictures of seeds 1 (gate), 2 (tower) and 3 (unplaced); view 5 of each is left for the asker."""
    ensure_default_space()
    gate = [
        index_picture(picture_of(1, number), latitude=GATE[0], longitude=GATE[1] + number / 20_000) for number in (0, 1)
    ]
    tower = [index_picture(picture_of(2, number), latitude=TOWER[0], longitude=TOWER[1]) for number in (0, 1)]
    return Town(gate, tower, [index_picture(picture_of(3, 0))])
