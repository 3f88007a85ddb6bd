"""Answers as the JSON that the API returns and the pages draw."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.urls import reverse

from photos.models import Photo
from photos.querysets import Viewer, knows_exactly, location_for
from photos.vision.types import Verification
from search.answers import visible_photos
from search.records import points_to_json
from search.types import LocationEstimate, Match, SearchResult, SegmentMatch


def present_result(result: SearchResult, *, viewer: Viewer) -> dict[str, Any]:
    """Return the answer's JSON: places, matches, sources, verdict, space and timings."""
    photos = visible_photos(result.matches, viewer)
    return {
        "location": None if result.location is None else present_estimate(result.location),
        "alternatives": [present_estimate(one) for one in result.alternatives],
        "matches": [
            present_match(match, photos[match.photo_id], viewer) for match in result.matches if match.photo_id in photos
        ],
        "sources": [asdict(source) for source in result.sources],
        "verdict": result.verdict,
        "space": result.space,
        "timings_ms": dict(result.timings_ms),
    }


def present_estimate(estimate: LocationEstimate) -> dict[str, Any]:
    return {
        "latitude": estimate.latitude,
        "longitude": estimate.longitude,
        "radius_m": round(estimate.radius_m, 1),
        "probability": round(estimate.probability, 4),
        "support": estimate.support,
    }


def present_match(match: Match, photo: Photo, viewer: Viewer) -> dict[str, Any]:
    point = location_for(photo, viewer)
    return {
        "photo": str(photo.uuid),
        "title": photo.title,
        "score": round(match.score, 4),
        "similarity": round(match.similarity, 4),
        "latitude": None if point is None else point[0],
        "longitude": None if point is None else point[1],
        "bearing_deg": photo.bearing_deg if point and knows_exactly(photo, viewer) else None,
        "width": photo.width,
        "height": photo.height,
        "thumbnail": reverse("photo-image", args=[photo.uuid, "thumbnail"]),
        "display": reverse("photo-image", args=[photo.uuid, "display"]),
        "url": reverse("photo", args=[photo.uuid]),
        "verification": None if match.verification is None else _verification(match.verification),
        "segments": [_segment(one) for one in match.segment_matches],
        "tag_overlap": round(match.tag_overlap, 4),
    }


def _verification(verification: Verification) -> dict[str, Any]:
    return {
        "level": verification.level,
        "fundamental_inliers": verification.fundamental_inliers,
        "homography_inliers": verification.homography_inliers,
        "p_same": round(verification.p_same, 4),
        "points": points_to_json(verification),
    }


def _segment(match: SegmentMatch) -> dict[str, Any]:
    return {
        "query_rank": match.query_rank,
        "photo_rank": match.photo_rank,
        "similarity": round(match.similarity, 4),
        "query_box": None if match.query_box is None else list(match.query_box),
        "photo_box": None if match.photo_box is None else list(match.photo_box),
        "distinctiveness": round(match.weight, 2),
    }
