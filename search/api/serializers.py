"""What is asked and answered."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from photos.api.fields import FiniteFloatField
from photos.api.serializers import EXAMPLE_ID
from search.api.question_fields import CursorField, QuestionSerializer
from search.models import RequestState

DEFAULT_LIMIT = 10
MAX_LIMIT = 50
MAX_WAIT_S = 60
SEARCH_WAIT_S = 30
REQUEST_ID = "9d3c7be0-2f0c-4c0e-8f2b-3b0d1f3a6c55"
EXAMPLE_POINT = {"latitude": 36.8789, "longitude": 30.7045, "radius_m": 35.0, "probability": 0.97, "support": 4}
EXAMPLE_MATCH = {
    "photo": EXAMPLE_ID,
    "title": "The harbour from the east mole",
    "score": 0.94,
    "similarity": 0.81,
    "latitude": 36.8789,
    "longitude": 30.7045,
    "bearing_deg": 212.5,
    "width": 4032,
    "height": 3024,
    "thumbnail": f"https://photos.example.org/photos/{EXAMPLE_ID}/thumbnail.jpg",
    "display": f"https://photos.example.org/photos/{EXAMPLE_ID}/display.jpg",
    "url": f"https://photos.example.org/api/v1/photos/{EXAMPLE_ID}/",
    "page": f"https://photos.example.org/photos/{EXAMPLE_ID}/",
    "verification": {
        "level": "confirmed",
        "fundamental_inliers": 61,
        "homography_inliers": 38,
        "p_same": 0.99,
        "points": [[310.5, 220.0, 842.1, 512.7]],
    },
    "segments": [
        {
            "query_rank": 0,
            "photo_rank": 2,
            "similarity": 0.88,
            "query_box": [120, 80, 400, 610],
            "photo_box": [900, 310, 380, 590],
            "distinctiveness": 0.92,
        }
    ],
    "tag_overlap": 0.0,
}
EXAMPLE_ANSWER = {
    "id": REQUEST_ID,
    "url": f"https://photos.example.org/api/v1/locate/{REQUEST_ID}/",
    "page": f"https://photos.example.org/locate/{REQUEST_ID}/",
    "state": "done",
    "stage": "",
    "error": "",
    "location": EXAMPLE_POINT,
    "alternatives": [],
    "matches": [EXAMPLE_MATCH],
    "sources": [
        {
            "source": "exif",
            "says": "No position.",
            "latitude": None,
            "longitude": None,
            "radius_m": None,
            "confidence": None,
            "reason": "The file carries no GPS position.",
        }
    ],
    "verdict": "Within 35 m of 36.8789, 30.7045: four photos of this place agree.",
    "space": "classical-512",
    "timings_ms": {"reading": 31, "describing": 210, "searching": 18, "verifying": 120, "locating": 2},
    "next_cursor": None,
}
EXAMPLE_ABSTENTION = {
    **EXAMPLE_ANSWER,
    "location": None,
    "matches": [],
    "verdict": "Cannot place this picture: nothing in the collection verifiably shows the same place.",
}
EXAMPLE_PENDING = {
    "id": REQUEST_ID,
    "url": EXAMPLE_ANSWER["url"],
    "page": EXAMPLE_ANSWER["page"],
    "state": "pending",
    "stage": "",
}


class LimitField(serializers.IntegerField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("default", DEFAULT_LIMIT)
        super().__init__(min_value=1, max_value=MAX_LIMIT, help_text="How many matches at most.", **kwargs)


class NextCursorField(serializers.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, help_text="Ask the same with this `cursor` for the next matches.", **kwargs)


class WaitField(FiniteFloatField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Seconds to wait for the answer before 202 says where to look for it.")
        super().__init__(min_value=0, max_value=MAX_WAIT_S, **kwargs)


class LimitParameters(serializers.Serializer[Any]):
    limit = LimitField()


class WaitParameters(serializers.Serializer[Any]):
    wait = WaitField(required=False)


class LocateQuestion(QuestionSerializer):
    wait = WaitField(default=0)


class SearchQuestion(QuestionSerializer):
    wait = WaitField(default=SEARCH_WAIT_S)


class AnswerParameters(WaitParameters):
    limit = LimitField(required=False, default=None, allow_null=True)
    cursor = CursorField(required=False, default=0)


class SimilarParameters(LimitParameters):
    cursor = CursorField(required=False, default=0)


class PlaceSerializer(serializers.Serializer[Any]):
    latitude = serializers.FloatField()
    longitude = serializers.FloatField()
    radius_m = serializers.FloatField(help_text="Holds the truth nine times of ten, if the place is right.")
    probability = serializers.FloatField(help_text="That the place is right.")
    support = serializers.IntegerField(help_text="Photos behind it.")


class VerificationSerializer(serializers.Serializer[Any]):
    level = serializers.ChoiceField(choices=["confirmed", "possible", "none"])
    fundamental_inliers = serializers.IntegerField()
    homography_inliers = serializers.IntegerField()
    p_same = serializers.FloatField(help_text="Probability that both show the same place.")
    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=4, max_length=4),
        help_text="Agreeing points, `[x1, y1, x2, y2]` in pixels of the two upright pictures.",
    )


class BoxSerializer(serializers.ListField):
    """`[x, y, width, height]` in pixels of the upright picture."""

    child = serializers.IntegerField()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=4, max_length=4, allow_null=True, **kwargs)


class SegmentMatchSerializer(serializers.Serializer[Any]):
    query_rank = serializers.IntegerField()
    photo_rank = serializers.IntegerField(allow_null=True, help_text="Null where the whole photo matches.")
    similarity = serializers.FloatField()
    query_box = BoxSerializer()
    photo_box = BoxSerializer()
    distinctiveness = serializers.FloatField(
        help_text="0 to 1: low where segments like the query's are scattered over the map, as the sky is."
    )


class MatchSerializer(serializers.Serializer[Any]):
    photo = serializers.UUIDField()
    title = serializers.CharField()
    score = serializers.FloatField()
    similarity = serializers.FloatField()
    latitude = serializers.FloatField(allow_null=True)
    longitude = serializers.FloatField(allow_null=True)
    bearing_deg = serializers.FloatField(allow_null=True)
    width = serializers.IntegerField(help_text="Pixels of the upright picture.")
    height = serializers.IntegerField(help_text="Pixels of the upright picture.")
    thumbnail = serializers.URLField()
    display = serializers.URLField()
    url = serializers.URLField()
    page = serializers.URLField(help_text="The photo's page for people.")
    verification = VerificationSerializer(allow_null=True)
    segments = SegmentMatchSerializer(many=True)
    tag_overlap = serializers.FloatField()


class LocationSourceSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(  # type: ignore[assignment]  # declared, then taken off
        help_text="exif, record, time, visual or proposal; record and proposal of a stored photo."
    )
    says = serializers.CharField()
    latitude = serializers.FloatField(allow_null=True)
    longitude = serializers.FloatField(allow_null=True)
    radius_m = serializers.FloatField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)
    reason = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample("Placed", value=EXAMPLE_ANSWER),
        OpenApiExample("Not placed", value=EXAMPLE_ABSTENTION),
    ]
)
class AnswerSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(allow_null=True, help_text="Null where nothing was uploaded: such answers are not kept.")
    url = serializers.URLField(allow_null=True)
    page = serializers.URLField(allow_null=True, help_text="The answer's page for people.")
    state = serializers.ChoiceField(choices=RequestState.choices)
    stage = serializers.CharField()
    error = serializers.CharField()
    location = PlaceSerializer(allow_null=True, help_text="Null where the collection cannot place it.")
    alternatives = PlaceSerializer(many=True)
    matches = MatchSerializer(many=True)
    sources = LocationSourceSerializer(many=True)
    verdict = serializers.CharField()
    space = serializers.CharField(help_text="The embedding space that was searched.")
    timings_ms = serializers.DictField(child=serializers.FloatField())
    next_cursor = NextCursorField()


class MatchesSerializer(serializers.Serializer[Any]):
    matches = MatchSerializer(many=True)
    space = serializers.CharField()
    timings_ms = serializers.DictField(child=serializers.FloatField())
    next_cursor = NextCursorField()


@extend_schema_serializer(examples=[OpenApiExample("Still at work", value=EXAMPLE_PENDING)])
class PendingSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.URLField(help_text="Ask here again.")
    page = serializers.URLField(help_text="The answer's page for people.")
    state = serializers.ChoiceField(choices=RequestState.choices)
    stage = serializers.CharField()
