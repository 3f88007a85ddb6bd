"""Findings as JSON, kept in a request's row: ids and numbers only, so that every reading checks again who may see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from photos.exif import ExifFacts
from photos.vision.types import Verification
from search.types import Match, SegmentMatch

MAX_POINTS: Final = 50
"""So many pairs of points of a match are kept for display."""

_EXIF_KEPT: Final = ("latitude", "longitude", "accuracy_m")


def match_to_record(match: Match) -> dict[str, Any]:
    return {
        "photo_id": match.photo_id,
        "score": match.score,
        "similarity": match.similarity,
        "global_similarity": match.global_similarity,
        "tag_overlap": match.tag_overlap,
        "segments": [
            [one.query_rank, one.photo_rank, one.similarity, one.query_box, one.photo_box, one.weight]
            for one in match.segment_matches
        ],
        "verification": None if match.verification is None else _verification_to_record(match.verification),
    }


def match_from_record(record: Mapping[str, Any]) -> Match:
    verification = record["verification"]
    return Match(
        photo_id=record["photo_id"],
        score=record["score"],
        similarity=record["similarity"],
        global_similarity=record["global_similarity"],
        segment_matches=tuple(
            SegmentMatch(query_rank, photo_rank, similarity, _box(query_box), _box(photo_box), *weight)
            for query_rank, photo_rank, similarity, query_box, photo_box, *weight in record["segments"]
        ),
        tag_overlap=record["tag_overlap"],
        verification=None if verification is None else _verification_from_record(verification),
    )


def exif_to_record(exif: ExifFacts | None) -> dict[str, float | str | None] | None:
    """Keep place and time alone: nothing else of the asker's EXIF is needed for the answer."""
    if exif is None:
        return None
    taken_at = None if exif.taken_at is None else exif.taken_at.isoformat()
    return {name: getattr(exif, name) for name in _EXIF_KEPT} | {"taken_at": taken_at}


def exif_from_record(record: Mapping[str, Any] | None) -> ExifFacts | None:
    if record is None:
        return None
    taken_at = record.get("taken_at")
    return ExifFacts(
        latitude=record["latitude"],
        longitude=record["longitude"],
        accuracy_m=record["accuracy_m"],
        taken_at=datetime.fromisoformat(taken_at) if taken_at else None,
    )


def _verification_to_record(verification: Verification) -> dict[str, Any]:
    return {
        "level": verification.level,
        "fundamental_inliers": verification.fundamental_inliers,
        "homography_inliers": verification.homography_inliers,
        "p_same": verification.p_same,
        "points": points_to_json(verification),
    }


def _verification_from_record(record: Mapping[str, Any]) -> Verification:
    return Verification(
        fundamental_inliers=record["fundamental_inliers"],
        homography_inliers=record["homography_inliers"],
        p_same=record["p_same"],
        level=record["level"],
        points=tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in record["points"]),
    )


def points_to_json(verification: Verification) -> list[list[float]]:
    """Return pairs `[x1, y1, x2, y2]` in pixels of the upright query and photo; none where nothing is shown."""
    if verification.level == "none":
        return []
    return [[round(value, 1) for value in pair] for pair in verification.points[:MAX_POINTS]]


def _box(values: Any) -> tuple[int, int, int, int] | None:
    if values is None:
        return None
    x, y, width, height = values
    return (x, y, width, height)
