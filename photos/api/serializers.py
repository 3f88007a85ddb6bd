"""What comes in and what goes out of the collection's API."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxLengthValidator
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from photos.api.fields import FiniteFloatField, LatitudeField, LongitudeField, TagListField
from photos.api.uploads import PictureField
from photos.models import LocationSource, LocationVisibility, PhotoState, Visibility

EXAMPLE_ID = "4f8a1c52-6a3e-4b0e-9a57-0c2b1d9e7f11"
EXAMPLE_PHOTO = {
    "id": EXAMPLE_ID,
    "url": f"https://photos.example.org/api/v1/photos/{EXAMPLE_ID}/",
    "page": f"https://photos.example.org/photos/{EXAMPLE_ID}/",
    "thumbnail": f"https://photos.example.org/photos/{EXAMPLE_ID}/thumbnail.jpg",
    "display": f"https://photos.example.org/photos/{EXAMPLE_ID}/display.jpg",
    "state": "ready",
    "stage": "",
    "error": "",
    "title": "The harbour from the east mole",
    "description": "",
    "credit": "A. Photographer",
    "license": "CC BY 4.0",
    "original_name": "",
    "width": 4032,
    "height": 3024,
    "taken_at": "2024-05-11T08:30:00Z",
    "latitude": 36.8789,
    "longitude": 30.7045,
    "location_source": "exif",
    "location_accuracy_m": 4.7,
    "location_visibility": "exact",
    "bearing_deg": 212.5,
    "visibility": "public",
    "tags": ["harbour", "Kaleici"],
    "is_owner": False,
    "created_at": "2024-05-12T19:02:11.512304Z",
    "indexed_at": "2024-05-12T19:02:14.920113Z",
}


class WholePoint(serializers.Serializer[Any]):
    """Both coordinates or neither."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("latitude" in attrs) != ("longitude" in attrs) or (
            (attrs.get("latitude") is None) != (attrs.get("longitude") is None)
        ):
            raise serializers.ValidationError("Give both latitude and longitude, or neither.")
        return attrs


class PhotoFacts(WholePoint):
    """What people say about a photo."""

    title = serializers.CharField(max_length=200, required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True, validators=[MaxLengthValidator(20_000)])
    credit = serializers.CharField(max_length=200, required=False, allow_blank=True)
    license = serializers.CharField(max_length=100, required=False, allow_blank=True)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)
    location_visibility = serializers.ChoiceField(choices=LocationVisibility.choices, required=False)
    tags = TagListField(required=False, help_text="All of the photo's tags that people gave.")


class PhotoUpload(PhotoFacts):
    """A new photo; without coordinates its EXIF is asked for them."""

    image = PictureField()
    latitude = LatitudeField(required=False)
    longitude = LongitudeField(required=False)


class PhotoChanges(PhotoFacts):
    """What to change; latitude and longitude both null clear the place."""

    latitude = LatitudeField(required=False, allow_null=True)
    longitude = LongitudeField(required=False, allow_null=True)
    location_accuracy_m = FiniteFloatField(min_value=0, max_value=2e7, required=False, allow_null=True)
    bearing_deg = FiniteFloatField(min_value=0, required=False, allow_null=True)
    taken_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate_bearing_deg(self, value: float | None) -> float | None:
        if value is not None and value >= 360:
            raise serializers.ValidationError("Must be less than 360 degrees.")
        return value


@extend_schema_serializer(examples=[OpenApiExample("A placed photo", value=EXAMPLE_PHOTO)])
class PhotoSerializer(serializers.Serializer[Any]):
    """A photo as the asker may know it; `photos.api.presenting` fills it in."""

    id = serializers.UUIDField()
    url = serializers.URLField()
    page = serializers.URLField(help_text="The photo's page for people.")
    thumbnail = serializers.URLField()
    display = serializers.URLField()
    state = serializers.ChoiceField(choices=PhotoState.choices)
    stage = serializers.CharField(help_text="What the indexing is at, for its owner and curators.")
    error = serializers.CharField(help_text="Why indexing failed, for its owner and curators.")
    title = serializers.CharField()
    description = serializers.CharField()
    credit = serializers.CharField()
    license = serializers.CharField()
    original_name = serializers.CharField(help_text="For its owner and curators.")
    width = serializers.IntegerField(help_text="Pixels of the upright picture.")
    height = serializers.IntegerField(help_text="Pixels of the upright picture.")
    taken_at = serializers.DateTimeField(allow_null=True)
    latitude = LatitudeField(allow_null=True)
    longitude = LongitudeField(allow_null=True)
    location_source = serializers.ChoiceField(choices=LocationSource.choices, allow_blank=True)
    location_accuracy_m = serializers.FloatField(allow_null=True)
    location_visibility = serializers.ChoiceField(choices=LocationVisibility.choices)
    bearing_deg = serializers.FloatField(allow_null=True, help_text="Clockwise from north.")
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    tags = serializers.ListField(child=serializers.CharField())
    is_owner = serializers.BooleanField(help_text="Whether the photo is the asker's.")
    created_at = serializers.DateTimeField()
    indexed_at = serializers.DateTimeField(allow_null=True)


class PhotoPageSerializer(serializers.Serializer[Any]):
    results = PhotoSerializer(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null at the end.")


class PointSerializer(serializers.Serializer[Any]):
    """RFC 7946: longitude before latitude."""

    type = serializers.ChoiceField(choices=["Point"])
    coordinates = serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2)


class FeatureSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=["Feature"])
    id = serializers.UUIDField()
    geometry = PointSerializer(allow_null=True)
    properties = serializers.DictField(help_text="The photo without its coordinates.")


class FeatureCollectionSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=["FeatureCollection"])
    features = FeatureSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class FieldErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    detail = serializers.CharField()
    code = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField(help_text="The status' phrase.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What was wrong, and what is allowed.")
    code = serializers.CharField(help_text="A stable word for programs.")
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]  # declared, then taken off


class SpaceSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    state = serializers.CharField()
    dimensions = serializers.IntegerField()
    photos = serializers.IntegerField(help_text="Photos described in it.")
    segments = serializers.IntegerField(help_text="Segments described in it.")


class StatisticsSerializer(serializers.Serializer[Any]):
    photos = serializers.IntegerField()
    by_state = serializers.DictField(child=serializers.IntegerField())
    spaces = SpaceSerializer(many=True)
    device = serializers.CharField(help_text="What vision computes on.")
