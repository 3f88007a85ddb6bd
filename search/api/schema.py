"""How search's API describes itself (OpenAPI 3.1)."""

from __future__ import annotations

from typing import Any

from photos.api.schema import problems
from search.api.serializers import (
    AnswerParameters,
    AnswerSerializer,
    LocateQuestion,
    MatchesSerializer,
    PendingSerializer,
    SearchQuestion,
    SimilarParameters,
    WaitParameters,
)

LOCATE: dict[str, Any] = {
    "operation_id": "locate",
    "tags": ["questions"],
    "summary": "Where was this picture taken?",
    "description": (
        "Answers from the photos that you may see. The picture is kept for a day at most, for you alone, and never "
        "becomes part of the collection. `wait` may stand in the address or in the form."
    ),
    "parameters": [WaitParameters],
    "request": {"multipart/form-data": LocateQuestion, "application/json": LocateQuestion},
    "responses": {200: AnswerSerializer, 202: PendingSerializer, **problems(400, 404, 413, 415, 422, 429)},
}
READ_ANSWER: dict[str, Any] = {
    "operation_id": "read_answer",
    "tags": ["questions"],
    "summary": "Read the answer to a question",
    "description": "202 while it is being worked on; `wait` holds the line meanwhile.",
    "parameters": [AnswerParameters],
    "responses": {200: AnswerSerializer, 202: PendingSerializer, **problems(400, 404)},
}
SEARCH: dict[str, Any] = {
    "operation_id": "search",
    "tags": ["questions"],
    "summary": "Which photos are like this one?",
    "description": (
        "Ask with an image, a photo of the collection, a part of either, words, tags and filters, alone or together. "
        "Without an image the answer comes at once."
    ),
    "request": {"multipart/form-data": SearchQuestion, "application/json": SearchQuestion},
    "responses": {
        200: MatchesSerializer,
        202: PendingSerializer,
        **problems(400, 404, 413, 415, 422, 429),
    },
}
SIMILAR: dict[str, Any] = {
    "operation_id": "list_similar_photos",
    "tags": ["photos"],
    "summary": "Which photos are like a photo of the collection?",
    "parameters": [SimilarParameters],
    "responses": {200: MatchesSerializer, **problems(400, 404, 429)},
}
