"""The query parameters of the photo list."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from photos.api.fields import FiniteFloatField, TagListField
from photos.api.pagination import DEFAULT_LIMIT, MAX_LIMIT, Position, decode_cursor
from photos.filters import BoundingBox, PhotoFilters
from photos.models import PhotoState

MAX_LENGTH = 200
BOX_FORM = "bbox is west,south,east,north in degrees, such as 26.5,36.0,30.9,39.2"


@extend_schema_field({"type": "string", "maxLength": MAX_LENGTH, "examples": ["26.5,36.0,30.9,39.2"]})
class BoxField(serializers.Field[BoundingBox, str, Any, Any]):
    """`west,south,east,north`; with west past east it crosses the antimeridian."""

    def to_internal_value(self, data: Any) -> BoundingBox:
        parts = _limited(data).split(",")
        if len(parts) != 4:
            raise serializers.ValidationError(f"{BOX_FORM}; got {len(parts)} parts.")
        number = FiniteFloatField()
        west, south, east, north = (number.run_validation(part.strip()) for part in parts)
        if not (-180 <= west <= 180 and -180 <= east <= 180):
            raise serializers.ValidationError(f"{BOX_FORM}; longitudes are from -180 to 180.")
        if not -90 <= south <= north <= 90:
            raise serializers.ValidationError(f"{BOX_FORM}; latitudes are from -90 to 90, south first.")
        return BoundingBox(west, south, east, north)


@extend_schema_field({"type": "string", "maxLength": MAX_LENGTH})
class CursorField(serializers.Field[Position, str, Any, Any]):
    def to_internal_value(self, data: Any) -> Position:
        return decode_cursor(_limited(data))


def _limited(data: Any) -> str:
    text = str(data)
    if len(text) > MAX_LENGTH:
        raise serializers.ValidationError(f"At most {MAX_LENGTH} characters are allowed.")
    return text


class PhotoListParameters(serializers.Serializer[Any]):
    bbox = BoxField(required=False, help_text=f"{BOX_FORM}.")
    tags = TagListField(required=False, help_text="Names or slugs; a photo needs all of them.")
    state = serializers.ChoiceField(choices=PhotoState.choices, required=False)
    has_location = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Whether the asker may know its place."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    cursor = CursorField(required=False, help_text="From the `next` of the page before.")

    def filters(self) -> PhotoFilters:
        given = self.validated_data
        return PhotoFilters(
            box=given.get("bbox"),
            tags=tuple(given.get("tags", ())),
            state=given.get("state", ""),
            has_location=given["has_location"],
        )
