"""Measures of a ranking, worked out by hand."""

from __future__ import annotations

import pytest

from search.evaluation.metrics import average_precision, recall_at_k


@pytest.mark.parametrize(
    ("relevant", "total", "expected"),
    [
        ([True], None, 1.0),
        ([False, True], None, 1 / 2),
        ([True, False, True, False, True], None, (1 / 1 + 2 / 3 + 3 / 5) / 3),
        ([False, True, True], None, (1 / 2 + 2 / 3) / 2),
        ([True, False], 2, 1 / 2),
        ([False, False, True], 4, (1 / 3) / 4),
        ([False, False], 3, 0.0),
        ([], 1, 0.0),
    ],
)
def test_average_precision(relevant, total, expected):
    assert average_precision(relevant, total) == pytest.approx(expected)


@pytest.mark.parametrize(("relevant", "total"), [([], None), ([False], None), ([True, True], 1), ([], 0)])
def test_average_precision_needs_something_to_find(relevant, total):
    with pytest.raises(ValueError, match="at least one"):
        average_precision(relevant, total)


@pytest.mark.parametrize(
    ("relevant", "k", "expected"),
    [([True], 1, 1.0), ([False, True], 1, 0.0), ([False, True], 2, 1.0), ([False, True], 10, 1.0), ([], 5, 0.0)],
)
def test_recall_at_k(relevant, k, expected):
    assert recall_at_k(relevant, k) == expected


def test_recall_needs_a_place_to_look_at():
    with pytest.raises(ValueError, match="1 or more"):
        recall_at_k([True], 0)
