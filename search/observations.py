"""Which photos are one observation: taken in one burst, or nearly the same picture, they err together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

BURST_S: Final = 60.0
"""Seconds between two photos of one owner under which they count as one look at the place."""

NEAR_DUPLICATE: Final = 0.95
"""The cosine from which two photos are nearly the same picture: re-encoded, resized, taken again."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What tells whether two photos are independent; `vector` is (D,) of unit norm or None."""

    photo_id: int
    owner_id: int | None = None
    taken_at: datetime | None = None
    sha256: str = ""
    vector: NDArray[np.float32] | None = None


def group_observations(witnesses: Sequence[Witness]) -> dict[int, int]:
    """Return for each photo id the least photo id of its observation.

    Being one observation is passed on: a burst of a minute's steps is one, however long.
    """
    leader = {witness.photo_id: witness.photo_id for witness in witnesses}
    for index, first in enumerate(witnesses):
        for second in witnesses[:index]:
            if _err_together(first, second):
                _join(leader, first.photo_id, second.photo_id)
    return {photo_id: _lead(leader, photo_id) for photo_id in leader}


def _err_together(first: Witness, second: Witness) -> bool:
    return _same_file(first, second) or _one_burst(first, second) or _near_duplicates(first, second)


def _same_file(first: Witness, second: Witness) -> bool:
    return bool(first.sha256) and first.sha256 == second.sha256


def _one_burst(first: Witness, second: Witness) -> bool:
    if first.owner_id != second.owner_id or first.taken_at is None or second.taken_at is None:
        return False
    return abs((first.taken_at - second.taken_at).total_seconds()) <= BURST_S


def _near_duplicates(first: Witness, second: Witness) -> bool:
    if first.vector is None or second.vector is None:
        return False
    return bool(first.vector @ second.vector >= NEAR_DUPLICATE)


def _lead(leader: dict[int, int], photo_id: int) -> int:
    while leader[photo_id] != photo_id:
        photo_id = leader[photo_id]
    return photo_id


def _join(leader: dict[int, int], first: int, second: int) -> None:
    low, high = sorted((_lead(leader, first), _lead(leader, second)))
    leader[high] = low
