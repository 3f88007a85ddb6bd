"""What a segment's neighbours say of it: hand-worked values and bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.distinctiveness import LEAST, LEAST_NEIGHBOURS, NEUTRAL, REACH_M, SOFTNESS, weigh

FAR_M = 5_000_000.0


def test_it_works():
    gate = weigh([0.9, 0.8, 0.3, 0.3], [10, 20, FAR_M, FAR_M])
    sky = weigh([0.9, 0.9, 0.89, 0.88], [FAR_M, 30, FAR_M, FAR_M])
    assert gate > 0.9
    assert sky < 0.4


def test_all_together_is_one_and_all_scattered_the_least():
    assert weigh([0.5] * 4, [0] * 4) == pytest.approx(1)
    assert weigh([0.5] * 4, [FAR_M] * 4) == pytest.approx(LEAST)


def test_hand_worked():
    """Shares 1, 1/e, 1/e, 1/e; nearness 1, 1/e, 0, 0."""
    weight = weigh([0.8, *[0.8 - SOFTNESS] * 3], [0, REACH_M, 1e9, 1e9])
    agreement = (1 + math.exp(-1) ** 2) / (1 + 3 * math.exp(-1))
    assert weight == pytest.approx(LEAST + (1 - LEAST) * agreement)


@pytest.mark.parametrize("count", range(LEAST_NEIGHBOURS))
def test_too_few_neighbours_say_nothing(count):
    assert weigh([0.9] * count, [0.0] * count) == NEUTRAL


@pytest.mark.parametrize(
    ("similarities", "distances"),
    [([0.5] * 4, [0.0] * 3), ([[0.5] * 4], [[0.0] * 4]), ([math.nan] * 4, [0.0] * 4), ([0.5] * 4, [-1.0] * 4)],
)
def test_it_rejects_what_is_no_evidence(similarities, distances):
    with pytest.raises(ValueError, match="similarities"):
        weigh(similarities, distances)


neighbours = st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 2e7)), min_size=LEAST_NEIGHBOURS, max_size=20)


@given(neighbours, st.randoms())
def test_it_stays_in_bounds_whatever_the_order(found, random):
    weight = weigh(*np.array(found).T)
    random.shuffle(found)
    assert LEAST <= weight <= 1 + 1e-12
    assert weigh(*np.array(found).T) == pytest.approx(weight)


@given(neighbours, st.floats(0, 1e6))
def test_farther_is_never_more_distinctive(found, farther):
    similarities, distances = np.array(found).T
    assert weigh(similarities, distances + farther) <= weigh(similarities, distances) + 1e-12
