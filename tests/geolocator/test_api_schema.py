"""The API's description of itself, and the page that shows it."""

from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

METHODS = {"get", "post", "patch", "delete", "put"}


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    return {
        (method, path): operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def test_it_is_valid_without_a_warning(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_it_is_openapi_3_1(schema):
    validate_schema(schema)
    assert schema["openapi"].startswith("3.1")


def test_it_names_every_operation(schema):
    assert set(operations(schema)) == {
        ("get", "/api/v1/photos/"),
        ("post", "/api/v1/photos/"),
        ("get", "/api/v1/photos/{identity}/"),
        ("patch", "/api/v1/photos/{identity}/"),
        ("delete", "/api/v1/photos/{identity}/"),
        ("get", "/api/v1/photos/{identity}/similar/"),
        ("post", "/api/v1/search/"),
        ("post", "/api/v1/locate/"),
        ("get", "/api/v1/locate/{identity}/"),
        ("get", "/api/v1/statistics/"),
    }


def test_every_operation_says_what_it_does_and_how_it_fails(schema):
    for name, operation in operations(schema).items():
        assert operation["summary"], name
        assert "application/problem+json" in operation["responses"]["503"]["content"], name
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")):
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_a_picture_is_described_as_a_file(schema):
    form = operations(schema)["post", "/api/v1/photos/"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    upload = schema["components"]["schemas"][form["$ref"].rsplit("/", 1)[1]]
    assert upload["properties"]["image"]["format"] == "binary"
    assert "image" in upload["required"]


@pytest.mark.django_db
def test_the_page_and_its_schema_are_served_within_the_policy():
    client = Client()
    page, schema = client.get("/api/docs/"), client.get("/api/schema/")
    html = page.content.decode()
    assert (page.status_code, schema.status_code) == (200, 200)
    assert not re.search(r"<style|<script>|style=|onclick=", html)
    assert "'unsafe" not in page["Content-Security-Policy"]
