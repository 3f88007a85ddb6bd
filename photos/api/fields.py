"""Fields that refuse what the collection cannot hold, naming what it can."""

from __future__ import annotations

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

MAX_TAGS = 50
MAX_TAG_LENGTH = 100


class FiniteFloatField(serializers.FloatField):
    """A number within its bounds; NaN would slip through a comparison."""

    default_error_messages = {"finite": "A finite number is needed."}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool):
            self.fail("invalid")
        try:
            number = super().to_internal_value(data)
        except OverflowError:
            self.fail("finite")
        if not math.isfinite(number):
            self.fail("finite")
        return number


class LatitudeField(FiniteFloatField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Degrees WGS 84, from -90 to 90.")
        super().__init__(min_value=-90, max_value=90, **kwargs)


class LongitudeField(FiniteFloatField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Degrees WGS 84, from -180 to 180.")
        super().__init__(min_value=-180, max_value=180, **kwargs)


@extend_schema_field({"type": "array", "items": {"type": "string", "maxLength": MAX_TAG_LENGTH}})
class TagListField(serializers.ListField):
    """Names of tags: a list, a repeated form field, or one text with commas."""

    child = serializers.CharField(max_length=MAX_TAG_LENGTH)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_TAGS, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        given = [data] if isinstance(data, str) else data
        if isinstance(given, list):
            given = [part for item in given for part in _parts(item)]
        names = super().to_internal_value(given)
        return list(dict.fromkeys(names))


def _parts(item: Any) -> list[Any]:
    if not isinstance(item, str):
        return [item]
    return [part.strip() for part in item.split(",") if part.strip()]
