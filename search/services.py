"""Asking the collection: what pages, API, commands and jobs call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from photos.exif import ExifFacts
from photos.models import EmbeddingSpace, Photo
from photos.querysets import Viewer
from photos.services.spaces import active_space
from search.answers import conclude
from search.calibration import PlacePrior, read_prior
from search.candidates import SIMILAR, Likeness, Weights, find_candidates
from search.clock import StageClock
from search.questions import PictureSource, describe_query, query_of_photo, read_picture, segment_boxes
from search.ranking import choose_for_verification, fuse_with_words, merge_verifications
from search.types import Candidate, Filters, Match, Progress, Query, SearchResult, SegmentMatch
from search.verification import verify_photos

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 50
VERIFIED: Final = 40
"""So many of the best candidates are verified geometrically, as far as the time suffices."""

FUSED: Final = 100
"""So many candidates by the picture are united with as many by words."""

WORDS_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found for one question, before it is told to anyone: `matches` best first."""

    matches: tuple[Match, ...]
    space: EmbeddingSpace
    exif: ExifFacts | None = None
    is_blank: bool = False
    subject: Photo | None = None


def locate_image(
    image: PictureSource, *, viewer: Viewer, limit: int = DEFAULT_LIMIT, progress: Progress | None = None
) -> SearchResult:
    """Answer where a picture was taken, from the photos that `viewer` may see.

    `image` is an encoded picture (bytes, path, file), or a decoded one. `progress` hears each of
    `search.types.STAGES` as it begins. Raises `ImageRefused`, `NoActiveSpaceError`, and what the space's
    encoder raises without its weights.
    """
    return search_by_image(image, viewer=viewer, limit=limit, progress=progress)


def search_by_image(
    image: PictureSource,
    *,
    viewer: Viewer,
    limit: int = DEFAULT_LIMIT,
    filters: Filters = Filters(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> SearchResult:
    """Return the photos most like a picture, with the place that they point to; see `locate_image`."""
    clock = StageClock(progress)
    found = investigate(image, viewer=viewer, limit=limit, filters=filters, clock=clock)
    return answer(found, viewer=viewer, limit=limit, clock=clock)


def similar_to_photo(
    photo: Photo,
    *,
    viewer: Viewer,
    limit: int = DEFAULT_LIMIT,
    filters: Filters = Filters(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> SearchResult:
    """Return the photos most like a stored one, itself left out, with the place that these point to.

    Whether `viewer` may see `photo` is the caller's to check. A photo that is not described yet has no matches.
    """
    clock = StageClock(progress)
    clock("describing")
    space = active_space()
    others = replace(filters, exclude=(*filters.exclude, photo.pk))
    query = query_of_photo(photo, space=space, filters=others)
    matches = _matches(query, space, viewer, limit, clock)
    found = Findings(matches, space, is_blank=query is None, subject=photo)
    return answer(found, viewer=viewer, limit=limit, clock=clock)


def investigate(image: PictureSource, *, viewer: Viewer, limit: int, filters: Filters, clock: StageClock) -> Findings:
    """Read, describe, search and verify; what is found does not depend on what `viewer` may not see."""
    clock("reading")
    space = active_space()
    picture = read_picture(image)
    query = describe_query(picture.image, space=space, filters=filters, progress=clock)
    matches = _matches(query, space, viewer, limit, clock)
    return Findings(matches, space, picture.exif, is_blank=query is None)


def answer(found: Findings, *, viewer: Viewer, limit: int, clock: StageClock) -> SearchResult:
    """Return what `viewer` is told of the findings."""
    clock("locating")
    result = conclude(
        found.matches,
        space=found.space,
        viewer=viewer,
        prior=read_prior(found.space.slug),
        limit=limit,
        exif=found.exif,
        subject=found.subject,
        is_blank=found.is_blank,
    )
    return replace(result, timings_ms=clock.timings_ms())


def find_matches(
    query: Query,
    *,
    space: EmbeddingSpace,
    viewer: Viewer,
    limit: int,
    prior: PlacePrior,
    weights: Weights | None = None,
    likeness: Likeness = SIMILAR,
    words: Query | None = None,
    verified: int = VERIFIED,
    verify_limit_s: float | None = None,
    clock: StageClock | None = None,
) -> list[Match]:
    """Return the matches of a query, best first: `MAX_LIMIT`, or as many as are verified or wanted if that is more.

    However few are shown, the answer rests on as many: pages, commands and measurements are told the same.

    Verifying takes `verify_limit_s` seconds at most, by default the setting `VERIFY_LIMIT_S`.
    `words` ask beside the picture: half of the similarity is theirs (`search.ranking.fuse_with_words`).
    """
    clock = clock or StageClock()
    clock("searching")
    wanted = max(limit, verified, MAX_LIMIT)
    if words is None:
        candidates = find_candidates(
            query, space=space, viewer=viewer, limit=wanted, weights=weights, likeness=likeness
        )
    else:
        both = (
            find_candidates(one, space=space, viewer=viewer, limit=FUSED, weights=weights, likeness=likeness)
            for one in (query, words)
        )
        candidates = fuse_with_words(*both, share=WORDS_SHARE)[:wanted]
    clock("verifying")
    chosen = choose_for_verification(candidates, verified)
    verifications = verify_photos(query.local_features, chosen, prior=prior, limit_s=verify_limit_s)
    return merge_verifications(_with_boxes(candidates, space), verifications)


def _matches(
    query: Query | None, space: EmbeddingSpace, viewer: Viewer, limit: int, clock: StageClock
) -> tuple[Match, ...]:
    if query is None:
        return ()
    prior = read_prior(space.slug)
    return tuple(find_matches(query, space=space, viewer=viewer, limit=limit, prior=prior, clock=clock))


def _with_boxes(candidates: Sequence[Candidate], space: EmbeddingSpace) -> list[Candidate]:
    boxes = segment_boxes([one.photo_id for one in candidates], space)

    def boxed(photo_id: int, match: SegmentMatch) -> SegmentMatch:
        box = None if match.photo_rank is None else boxes.get((photo_id, match.photo_rank))
        return replace(match, photo_box=box)

    return [
        replace(one, segment_matches=tuple(boxed(one.photo_id, match) for match in one.segment_matches))
        for one in candidates
    ]
