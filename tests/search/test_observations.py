"""Which photos are one observation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from search.observations import Witness, group_observations

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


def seconds(count):
    return NOON + timedelta(seconds=count)


def test_photos_without_anything_in_common_are_independent():
    assert group_observations([Witness(1), Witness(2), Witness(3)]) == {1: 1, 2: 2, 3: 3}


def test_a_burst_is_one_observation_however_long():
    burst = [Witness(number, owner_id=7, taken_at=seconds(50 * number)) for number in (3, 1, 2)]
    later = Witness(4, owner_id=7, taken_at=seconds(150 + 61))
    assert group_observations([*burst, later]) == {1: 1, 2: 1, 3: 1, 4: 4}


def test_two_people_at_the_same_moment_are_independent():
    witnesses = [Witness(1, owner_id=7, taken_at=NOON), Witness(2, owner_id=8, taken_at=NOON)]
    assert group_observations(witnesses) == {1: 1, 2: 2}


def test_the_same_file_of_two_owners_is_one_observation():
    assert group_observations([Witness(5, 1, sha256="ab"), Witness(2, 2, sha256="ab")]) == {5: 2, 2: 2}


def test_nearly_the_same_picture_is_one_observation():
    first, near, far = (np.array([np.cos(a), np.sin(a)], np.float32) for a in (0.0, 0.2, 0.6))
    witnesses = [Witness(1, 1, vector=first), Witness(2, 2, vector=near), Witness(3, 3, vector=far)]
    assert group_observations(witnesses) == {1: 1, 2: 1, 3: 3}
