"""Plain values of a search: the question, what was found, and where it points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from photos.vision.types import LocalFeatures, Verification

if TYPE_CHECKING:  # the ranking and the place are worked out without Django
    from photos.filters import BoundingBox, PhotoFilters

Vector: TypeAlias = NDArray[np.float32]
"""A (D,) float32 embedding of unit norm."""

Progress: TypeAlias = Callable[[str], None]
"""Called with the name of each stage as it begins."""

STAGES = ("reading", "segmenting", "describing", "searching", "verifying", "locating")


@dataclass(frozen=True, slots=True)
class Filters:
    """What a photo must be to be found at all; each part left empty allows everything.

    `tags` are names or slugs, `owner_id` a user's id, `states` index states; the photos with the ids in `exclude` are
    left out. `collection` are filters as the collection's lists know them, which must hold, too.
    """

    bbox: BoundingBox | None = None
    tags: tuple[str, ...] = ()
    tag_mode: Literal["all", "any"] = "all"
    taken_from: datetime | None = None
    taken_until: datetime | None = None
    owner_id: int | None = None
    has_location: bool | None = None
    states: tuple[str, ...] = ()
    exclude: tuple[int, ...] = ()
    collection: PhotoFilters | None = None


@dataclass(frozen=True, slots=True, eq=False)
class QuerySegment:
    """A segment of the query; the box `(x, y, width, height)` in pixels of the upright picture.

    `quality` in 0..1 is the segmenter's, `weight` in 0..1 its distinctiveness as far as that is known beforehand.
    """

    rank: int
    embedding: Vector
    box: tuple[int, int, int, int]
    quality: float = 1.0
    weight: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A described question, asked in the space with the slug `space`; `tags` are slugs."""

    embedding: Vector
    space: str
    segments: tuple[QuerySegment, ...] = ()
    tags: tuple[str, ...] = ()
    filters: Filters = Filters()
    local_features: LocalFeatures | None = None


@dataclass(frozen=True, slots=True)
class SegmentMatch:
    """A query segment with the photo's segment that is most like it; boxes in pixels of the upright pictures.

    `photo_rank` and `photo_box` are None where the photo has no segments and was compared as a whole. `weight` in
    0..1 says how distinctive for its place the query segment is; 0.5 where nothing is known of it.
    """

    query_rank: int
    photo_rank: int | None
    similarity: float
    query_box: tuple[int, int, int, int] | None = None
    photo_box: tuple[int, int, int, int] | None = None
    weight: float = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A photo scored by its vectors alone: `similarity` is the weighted sum of the three parts after it."""

    photo_id: int
    similarity: float
    global_similarity: float
    segment_similarity: float | None = None
    tag_overlap: float = 0.0
    segment_matches: tuple[SegmentMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A found photo; `score` in 0..1 unites the similarity in 0..1 of its vectors with the verification."""

    photo_id: int
    score: float
    similarity: float
    global_similarity: float
    segment_matches: tuple[SegmentMatch, ...] = ()
    tag_overlap: float = 0.0
    verification: Verification | None = None


@dataclass(frozen=True, slots=True)
class LocationEstimate:
    """A place with the radius in metres that holds the truth `coverage` of the time, if the place is right.

    `probability` in 0..1 says whether it is; `support` counts the independent observations behind it.
    """

    latitude: float
    longitude: float
    radius_m: float
    probability: float
    support: int
    alternatives: tuple[LocationEstimate, ...] = ()


@dataclass(frozen=True, slots=True)
class LocationSourceAnswer:
    """What one source ("exif", "record", "time", "visual", "proposal") says about the place, and why.

    `confidence` in 0..1 is None where there is nothing to reckon it from: a camera or a person said so.
    """

    source: str
    says: str
    reason: str
    latitude: float | None = None
    longitude: float | None = None
    radius_m: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer. `location` is None where the collection cannot place the picture; `alternatives` are the
    other places, or where it abstains those that are merely possible."""

    matches: tuple[Match, ...]
    space: str
    location: LocationEstimate | None = None
    alternatives: tuple[LocationEstimate, ...] = ()
    sources: tuple[LocationSourceAnswer, ...] = ()
    verdict: str = ""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
