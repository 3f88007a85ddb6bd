"""The API's reference for people."""

from __future__ import annotations

import shlex

import pytest
from django.test import Client

from geolocator.api_reference import fields_of, read_operations, read_schema, type_of

COMPONENTS = {
    "Place": {
        "type": "object",
        "required": ["latitude"],
        "properties": {
            "latitude": {"type": "number", "minimum": -90, "maximum": 90, "description": "Degrees."},
            "near": {"type": "array", "items": {"$ref": "#/components/schemas/Name"}},
        },
    },
    "Name": {"type": "object", "properties": {"kind": {"enum": ["city", "country"], "description": "* `city` - city"}}},
}
SCHEMA = {"components": {"schemas": COMPONENTS}, "paths": {}}


def test_it_lists_the_fields_of_objects_within_objects():
    fields = list(fields_of(SCHEMA, {"$ref": "#/components/schemas/Place"}))
    assert [(one.name, one.type, one.is_required, one.description) for one in fields] == [
        ("latitude", "number, -90 to 90", True, "Degrees."),
        ("near", "list of object", False, ""),
        ("near[].kind", "city | country", False, ""),
    ]


def test_it_tells_what_may_be_null():
    told = {"oneOf": [{"$ref": "#/components/schemas/Place"}, {"type": "null"}]}
    assert type_of(SCHEMA, told) == "object or null"
    assert type_of(SCHEMA, {"type": ["string", "null"]}) == "string or null"


def test_its_commands_name_what_must_be_sent():
    operations = {one.identity: one for one in read_operations(read_schema(), address="https://photos.example.org")}
    asked = shlex.split(operations["locate"].command)
    assert asked[0] == "curl"
    assert asked[-1] == "https://photos.example.org/api/v1/locate/"
    assert "image=@photo.jpg" in asked
    assert "DELETE" in shlex.split(operations["delete_photo"].command)
    assert all(one.problems for one in operations.values())


@pytest.mark.django_db
def test_the_page_shows_every_operation():
    page = Client().get("/api/docs/").content.decode()
    for operation in read_operations(read_schema(), address=""):
        assert f'id="{operation.identity}"' in page
        assert operation.summary in page
