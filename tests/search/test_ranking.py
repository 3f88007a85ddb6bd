"""The final order of what was found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photos.vision.types import Verification
from search.ranking import choose_for_verification, merge_verifications, support, unite
from search.types import Candidate


def candidate(photo_id, similarity):
    return Candidate(photo_id, similarity, similarity)


def verification(inliers, p_same):
    return Verification(inliers, inliers // 2, p_same, "none")


@pytest.mark.parametrize(
    ("similarity", "p_same", "expected"), [(0.4, 0.0, 0.4), (0.4, 1.0, 1.0), (0.5, 0.5, 0.75), (-0.2, 0.1, 0.1)]
)
def test_score_unites_both_reasons(similarity, p_same, expected):
    assert unite(similarity, p_same) == pytest.approx(expected)


def test_a_verified_match_passes_a_more_similar_one():
    found = merge_verifications([candidate(1, 0.6), candidate(2, 0.4)], {2: verification(80, 0.999)})
    assert [match.photo_id for match in found] == [2, 1]
    assert found[0].verification == verification(80, 0.999)
    assert found[1].verification is None
    assert found[1].score == pytest.approx(0.6)


def test_ties_go_to_more_inliers_and_then_to_the_lower_id():
    found = merge_verifications(
        [candidate(id_, 0.5) for id_ in (4, 3, 2)], {2: verification(5, 0), 4: verification(9, 0)}
    )
    assert [match.photo_id for match in found] == [4, 2, 3]


def test_the_best_are_verified():
    assert choose_for_verification([candidate(1, 0.1), candidate(2, 0.9), candidate(3, 0.5)], 2) == [2, 3]


@given(
    st.dictionaries(st.integers(1, 30), st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]), max_size=12),
    st.dictionaries(st.integers(1, 30), st.sampled_from([0.0, 0.5, 1.0]), max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_candidates_changes_nothing(similarities, p_same, random):
    candidates = [candidate(*item) for item in similarities.items()]
    verifications = {id_: verification(int(p * 100), p) for id_, p in p_same.items()}
    found = merge_verifications(candidates, verifications)
    shuffled = random.sample(candidates, len(candidates))
    assert merge_verifications(shuffled, verifications) == found
    assert choose_for_verification(shuffled, 3) == choose_for_verification(candidates, 3)
    assert all(0 <= match.score <= 1 for match in found)


def test_inliers_beyond_chance_order_the_doubtful():
    found = [Candidate(1, 0.5, 0.5), Candidate(2, 0.45, 0.45), Candidate(3, 0.4, 0.4)]
    weak = {1: Verification(10, 5, 0.0, "none"), 2: Verification(15, 11, 0.0, "none")}
    first, second, third = merge_verifications(found, weak)
    assert [first.photo_id, second.photo_id, third.photo_id] == [2, 1, 3]
    assert [first.score, second.score, third.score] == pytest.approx([1 - 0.55 * 0.9, 0.5, 0.4])
    assert (first.similarity, support(Verification(90, 60, 0.9, "confirmed"))) == (0.45, 0.2)
