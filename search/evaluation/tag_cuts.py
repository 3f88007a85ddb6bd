"""The least score that is a tag, learned from the tags that people gave.

As with places, only photos that everyone may see teach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from photos import vectors
from photos.models import EmbeddingSpace, Photo, PhotoState, PhotoTag, TagSource
from photos.services import vocabulary
from photos.vision.tags import Vocabulary, score_tags
from search.models import Calibration, CalibrationKind

CUTS: Final = tuple(round(cut, 3) for cut in np.arange(0.05, 0.61, 0.025).tolist())
LEAST_TAGGED: Final = 30
"""Photos with tags of the vocabulary given by hand that a cut can be learned from."""


@dataclass(frozen=True, slots=True)
class TagCut:
    """The least score that is a tag: of `photos` with tags by hand, the one of the best F1, before and after."""

    cut: float
    photos: int
    f1: float
    former_cut: float
    former_f1: float


@transaction.atomic
def keep_tag_cut(space: EmbeddingSpace, found: TagCut) -> None:
    """Let photos be tagged by the cut that was fitted, all of them anew."""
    parameters = {"cut": found.cut, "f1": found.f1}
    Calibration.objects.create(space=space, kind=CalibrationKind.TAG_CUT, parameters=parameters, n=found.photos)
    vocabulary.set_tag_cut(space, found.cut)


def fit_tag_cut(space: EmbeddingSpace) -> TagCut | None:
    """Return the cut that gives back best the tags that people gave; None with too few of them, or without words."""
    given = _given_tags()
    if len(given) < LEAST_TAGGED:
        return None
    words = vocabulary.load_vocabulary(space)
    if words is None:
        return None
    scores, wanted = _scores(space, words, given)
    if len(scores) < LEAST_TAGGED:
        return None
    former = vocabulary.tag_cut(space)
    best = max(CUTS, key=lambda cut: (f1_at(scores, wanted, cut), -abs(cut - former)))
    return TagCut(best, len(scores), f1_at(scores, wanted, best), former, f1_at(scores, wanted, former))


def f1_at(scores: NDArray[np.float32], wanted: NDArray[np.bool_], cut: float) -> float:
    """Return the F1 in 0..1 of the (N, T) scores at least `cut` against what is `wanted`."""
    chosen = scores >= cut
    right = float((chosen & wanted).sum())
    total = float(chosen.sum() + wanted.sum())
    return round(2 * right / total, 4) if total else 0.0


def _given_tags() -> dict[int, set[str]]:
    public = Photo.objects.all().visible_to(None).filter(state=PhotoState.READY)
    given = PhotoTag.objects.filter(source=TagSource.MANUAL, tag__in_vocabulary=True, photo__in=public.order_by())
    tags: dict[int, set[str]] = {}
    for photo_id, slug in given.values_list("photo_id", "tag__slug"):
        tags.setdefault(photo_id, set()).add(slug)
    return tags


def _scores(
    space: EmbeddingSpace, words: Vocabulary, given: dict[int, set[str]]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return (N, T) scores of the tagged photos, the best of the whole and its segments, and what was given them."""
    whole, parts = vectors.read_vectors(space, given)
    scores, wanted = [], []
    for photo_id in sorted(whole):
        rows = np.stack([whole[photo_id], *parts.get(photo_id, {}).values()])
        scores.append(score_tags(rows, words).max(axis=0))
        wanted.append([slug in given[photo_id] for slug in words.slugs])
    return np.array(scores, np.float32), np.array(wanted, np.bool_)
