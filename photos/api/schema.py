"""How the collection's API describes itself (OpenAPI 3.1)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from photos.api.parameters import PhotoListParameters
from photos.api.serializers import (
    EXAMPLE_ID,
    FeatureCollectionSerializer,
    FeatureSerializer,
    PhotoChanges,
    PhotoPageSerializer,
    PhotoSerializer,
    PhotoUpload,
    ProblemSerializer,
    StatisticsSerializer,
)

PROBLEM_TYPE = "application/problem+json"
EXAMPLES = {
    400: ("invalid", "latitude: Ensure this value is less than or equal to 90."),
    401: ("not-authenticated", "Authentication credentials were not provided."),
    403: ("permission-denied", "Only its owner and curators may change a photo."),
    404: ("not-found", "No photo of that id, or none that you may see."),
    409: ("duplicate", "This very file is in your collection already."),
    413: ("too-large", "A file of at most 16 MiB is allowed."),
    415: ("unsupported-format", "Send JPEG, PNG, WebP, TIFF or HEIC."),
    422: ("broken", "The JPEG file is damaged or incomplete; send a whole one."),
    429: ("throttled", "Request was throttled. Expected available in 12 seconds."),
    503: ("unavailable", "The database does not answer; try again in a few seconds."),
}


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """Responses of an operation that are problem documents; 503 may always come."""
    return {(status, PROBLEM_TYPE): _problem(status) for status in sorted({*statuses, 503})}


def _problem(status: int) -> OpenApiResponse:
    code, detail = EXAMPLES[status]
    title = HTTPStatus(status).phrase
    value = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    if status == 409:
        value["photo"] = {"id": EXAMPLE_ID, "url": f"https://photos.example.org/api/v1/photos/{EXAMPLE_ID}/"}
    example = OpenApiExample(code, value=value, response_only=True, status_codes=[str(status)])
    return OpenApiResponse(ProblemSerializer, description=title, examples=[example])


LIST_PHOTOS: dict[str, Any] = {
    "operation_id": "list_photos",
    "tags": ["photos"],
    "summary": "List photos, newest first",
    "description": "Those that you may see. Follow `next` for more; photos that arrive meanwhile shift nothing.",
    "parameters": [PhotoListParameters],
    "responses": {
        (200, "application/json"): PhotoPageSerializer,
        (200, "application/geo+json"): FeatureCollectionSerializer,
        **problems(400),
    },
}
ADD_PHOTO: dict[str, Any] = {
    "operation_id": "add_photo",
    "tags": ["photos"],
    "summary": "Add a photo to the collection",
    "description": (
        "It is saved at once and findable as soon as its `state` is `ready`. Coordinates given here win over "
        "those in its EXIF."
    ),
    "request": {"multipart/form-data": PhotoUpload},
    "responses": {201: PhotoSerializer, **problems(400, 401, 409, 413, 415, 422)},
}
READ_PHOTO: dict[str, Any] = {
    "operation_id": "read_photo",
    "tags": ["photos"],
    "summary": "Read one photo",
    "responses": {
        (200, "application/json"): PhotoSerializer,
        (200, "application/geo+json"): FeatureSerializer,
        **problems(404),
    },
}
CHANGE_PHOTO: dict[str, Any] = {
    "operation_id": "change_photo",
    "tags": ["photos"],
    "summary": "Change what is said about a photo",
    "description": "For its owner and curators. Latitude and longitude both null clear its place.",
    "request": PhotoChanges,
    "responses": {(200, "application/json"): PhotoSerializer, **problems(400, 401, 403, 404)},
}
DELETE_PHOTO: dict[str, Any] = {
    "operation_id": "delete_photo",
    "tags": ["photos"],
    "summary": "Remove a photo, its vectors and its files",
    "description": "For good: it does not go to the curators' trash.",
    "responses": {204: None, **problems(401, 403, 404)},
}
STATISTICS: dict[str, Any] = {
    "operation_id": "read_statistics",
    "tags": ["collection"],
    "summary": "Count the collection",
    "description": "Photos that you may see, by the state of their indexing, and the embedding spaces.",
    "responses": {200: StatisticsSerializer, **problems()},
}
