"""The final order of what was found: pure functions over plain values, the same for any order of the input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from photos.vision.types import Verification
from search.types import Candidate, Match


def unite(similarity: float, p_same: float) -> float:
    """Return the score 0..1 of two independent reasons to believe in a match: 1 - (1 - s)(1 - p).

    A similarity below 0 counts as 0. Without verification (p_same 0) the score is the similarity.
    """
    return 1.0 - (1.0 - min(max(similarity, 0.0), 1.0)) * (1.0 - p_same)


CHANCE_INLIERS: Final = 16
"""Of both kinds together: 99 of 100 pairs of different places have no more."""

WORTH_OF_INLIER: Final = 0.01
MOST_WORTH: Final = 0.2


def support(verification: Verification) -> float:
    """Return what the inliers beyond chance add to a similarity, 0..0.2: a third reason for `unite`.

    It orders matches that are too weak to confirm anything.
    """
    inliers = verification.fundamental_inliers + verification.homography_inliers
    return min(MOST_WORTH, WORTH_OF_INLIER * max(0, inliers - CHANCE_INLIERS))


def merge_verifications(candidates: Iterable[Candidate], verifications: Mapping[int, Verification]) -> list[Match]:
    """Return the matches, best first; those without verification keep their similarity as score."""
    matches = []
    for one in candidates:
        verification = verifications.get(one.photo_id)
        match = Match(
            photo_id=one.photo_id,
            score=_score(one.similarity, verification),
            similarity=one.similarity,
            global_similarity=one.global_similarity,
            segment_matches=one.segment_matches,
            tag_overlap=one.tag_overlap,
            verification=verification,
        )
        matches.append(match)
    return rank_matches(matches)


def _score(similarity: float, verification: Verification | None) -> float:
    if verification is None:
        return unite(similarity, 0.0)
    return unite(unite(similarity, support(verification)), verification.p_same)


def rank_matches(matches: Iterable[Match]) -> list[Match]:
    """Return the matches by falling score, then inliers, then similarity; ties by the photo's id."""
    return sorted(matches, key=_rank_key)


def _rank_key(match: Match) -> tuple[float, int, float, int]:
    return (-match.score, -_inliers(match), -match.similarity, match.photo_id)


def _inliers(match: Match) -> int:
    verification = match.verification
    return verification.fundamental_inliers + verification.homography_inliers if verification else 0


def fuse_with_words(pictured: Sequence[Candidate], worded: Sequence[Candidate], *, share: float) -> list[Candidate]:
    """Return both rankings as one, best first: late fusion of picture and words.

    The cosines of words are small and close together, so they are stretched: the best of `worded` counts 1, the last
    0, as does a photo that is not among them. The similarity is `(1 - share) * picture + share * words`; a photo that
    only the words found is as like the picture as the least like that the picture found.
    """
    stretched = _stretch({one.photo_id: one.similarity for one in worded})
    least = min((one.similarity for one in pictured), default=0.0)
    by_id = {one.photo_id: replace(one, similarity=least) for one in worded}
    by_id |= {one.photo_id: one for one in pictured}
    return rank_candidates(
        replace(one, similarity=(1.0 - share) * one.similarity + share * stretched.get(one.photo_id, 0.0))
        for one in by_id.values()
    )


def _stretch(similarities: Mapping[int, float]) -> dict[int, float]:
    low, high = min(similarities.values(), default=0.0), max(similarities.values(), default=0.0)
    return {key: (value - low) / (high - low) if high > low else 1.0 for key, value in similarities.items()}


def rank_candidates(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates by falling similarity; ties by the photo's id."""
    return sorted(candidates, key=lambda one: (-one.similarity, one.photo_id))


def choose_for_verification(candidates: Sequence[Candidate], limit: int) -> list[int]:
    """Return the ids of the `limit` best candidates."""
    return [one.photo_id for one in rank_candidates(candidates)[:limit]]
