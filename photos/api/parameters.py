"""The query parameters of the photo list."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from photos.api.fields import FiniteFloatField, TagListField
from photos.api.pagination import DEFAULT_LIMIT, MAX_LIMIT, Position, decode_cursor
from photos.filters import BoundingBox, PhotoFilters
from photos.models import PhotoState

BOX_FORM = "bbox is west,south,east,north in degrees, such as 26.5,36.0,30.9,39.2"


class BoxField(serializers.CharField):
    """`west,south,east,north`; with west past east it crosses the antimeridian."""

    def to_internal_value(self, data: Any) -> BoundingBox:  # type: ignore[override]
        parts = super().to_internal_value(data).split(",")
        if len(parts) != 4:
            raise serializers.ValidationError(f"{BOX_FORM}; got {len(parts)} numbers.")
        number = FiniteFloatField()
        west, south, east, north = (number.run_validation(part.strip()) for part in parts)
        if not (-180 <= west <= 180 and -180 <= east <= 180):
            raise serializers.ValidationError(f"{BOX_FORM}; longitudes are from -180 to 180.")
        if not -90 <= south <= north <= 90:
            raise serializers.ValidationError(f"{BOX_FORM}; latitudes are from -90 to 90, south first.")
        return BoundingBox(west, south, east, north)


class CursorField(serializers.CharField):
    def to_internal_value(self, data: Any) -> Position:  # type: ignore[override]
        return decode_cursor(super().to_internal_value(data))


class PhotoListParameters(serializers.Serializer[Any]):
    bbox = BoxField(required=False, max_length=200, help_text=f"{BOX_FORM}.")
    tags = TagListField(required=False, help_text="Names or slugs; a photo needs all of them.")
    state = serializers.ChoiceField(choices=PhotoState.choices, required=False)
    has_location = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Whether the asker may know its place."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    cursor = CursorField(required=False, max_length=100, help_text="From the `next` of the page before.")

    def filters(self) -> PhotoFilters:
        given = self.validated_data
        return PhotoFilters(
            box=given.get("bbox"),
            tags=tuple(given.get("tags", ())),
            state=given.get("state", ""),
            has_location=given["has_location"],
        )
