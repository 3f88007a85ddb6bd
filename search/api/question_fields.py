"""A question's fields as the API describes them; `search.question` reads them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from django.http import QueryDict
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from photos.api.uploads import PictureField
from photos.filter_parameters import BOX_FORM, CIRCLE_FORM, POLYGON_FORM, InvalidParameterError
from photos.models import PhotoState, Visibility
from search.question import DEFAULT_LIMIT, MAX_LIMIT, MODES, Question

_NUMBERS: Final = {"type": "array", "items": {"type": "number"}}
FILTERS_SCHEMA: Final = {
    "type": "object",
    "description": "Everything given must hold. In a form: this object as JSON.",
    "properties": {
        "text": {"type": "string", "description": "Words that people wrote about the photo."},
        "bbox": {**_NUMBERS, "description": f"{BOX_FORM}; west past east crosses the antimeridian."},
        "polygon": {"type": "array", "items": _NUMBERS, "description": f"{POLYGON_FORM}."},
        "circle": {**_NUMBERS, "description": f"{CIRCLE_FORM}."},
        "tags": {"type": "array", "items": {"type": "string"}},
        "tags_any": {"type": "boolean", "description": "Any of the tags is enough."},
        "taken_from": {"type": "string", "description": "A day or a moment."},
        "taken_until": {"type": "string", "description": "A day, to its end, or a moment."},
        "owner": {"type": ["integer", "string"], "description": '"me"; for curators any user\'s id.'},
        "state": {"type": "string", "enum": list(PhotoState.values)},
        "visibility": {"type": "string", "enum": list(Visibility.values)},
        "has_location": {"type": "boolean", "description": "Whether the asker may know its place."},
    },
    "additionalProperties": False,
}


class _Given(serializers.Field[Any, Any, Any, Any]):
    """A value as it came: the question reads it."""

    def to_internal_value(self, data: Any) -> Any:
        return data


@extend_schema_field({"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4})
class GivenBox(_Given):
    pass


@extend_schema_field({"type": "integer", "minimum": 0})
class GivenRank(_Given):
    pass


@extend_schema_field({"type": "string"})
class GivenText(_Given):
    pass


@extend_schema_field({"type": "string", "format": "uuid"})
class GivenPhoto(_Given):
    pass


@extend_schema_field({"type": "boolean", "default": False})
class GivenFlag(_Given):
    pass


@extend_schema_field({"type": "string", "enum": list(MODES), "default": MODES[0]})
class GivenMode(_Given):
    pass


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT})
class GivenLimit(_Given):
    pass


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class GivenTags(_Given):
    def get_value(self, dictionary: Mapping[Any, Any]) -> Any:
        if isinstance(dictionary, QueryDict) and self.field_name in dictionary:
            return ",".join(dictionary.getlist(str(self.field_name)))
        return super().get_value(dictionary)


@extend_schema_field(FILTERS_SCHEMA)
class GivenFilters(_Given):
    def to_internal_value(self, data: Any) -> Any:
        try:
            return json.loads(data) if isinstance(data, str) and data else data
        except (ValueError, RecursionError) as exc:
            raise serializers.ValidationError("In a form, the filters are a JSON object.") from exc


@extend_schema_field({"type": "string"})
class CursorField(serializers.Field[int, str, Any, Any]):
    """How many matches came before, as text; from the `next_cursor` of the page before."""

    def to_internal_value(self, data: Any) -> int:
        try:
            text = base64.b64decode(str(data).encode(), altchars=b"-_", validate=True).decode()
        except (binascii.Error, ValueError) as exc:
            raise serializers.ValidationError("This is no cursor of ours; take it from `next_cursor`.") from exc
        if not text.startswith("after ") or text[6:] not in map(str, range(MAX_LIMIT)):
            raise serializers.ValidationError("This is no cursor of ours; take it from `next_cursor`.")
        return int(text[6:])


def encode_cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"after {offset}".encode()).decode()


class QuestionSerializer(serializers.Serializer[Any]):
    """What may be asked; all of it may be combined. `validated_data["question"]` is the `Question`."""

    image = PictureField(required=False)
    photo = GivenPhoto(required=False, help_text="The id of a photo of the collection, instead of an image.")
    box = GivenBox(required=False, help_text="x, y, width, height: only this part, in pixels of the upright picture.")
    segment = GivenRank(required=False, help_text="Only this segment of the picture, by its rank.")
    text = GivenText(required=False, help_text="Words, where the space has a text tower: alone or with a picture.")
    tags = GivenTags(required=False, help_text="Names or slugs; in a form repeated or with commas.")
    tags_any = GivenFlag(required=False, help_text="Any of the tags is enough.")
    mode = GivenMode(required=False, help_text="object: find what fills the picture, or the part, wherever it is.")
    filters = GivenFilters(required=False)
    limit = GivenLimit(required=False, help_text="How many matches a page.")
    cursor = CursorField(required=False, help_text=f"The page after; {MAX_LIMIT} matches can be had in all.")
    space = GivenText(required=False, help_text="Another embedding space than the active one: staff only.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "image" in attrs and "photo" in attrs:
            raise serializers.ValidationError("Give either an image or the id of a photo.")
        asked = {name: attrs.pop(name) for name in list(attrs) if name not in ("image", "cursor", "wait")}
        try:
            question = Question.from_parameters(asked)
        except InvalidParameterError as exc:
            raise serializers.ValidationError({exc.name: exc.reason}) from exc
        return {**attrs, "question": question}
