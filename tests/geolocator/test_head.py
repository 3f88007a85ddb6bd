"""HEAD is answered wherever GET is, with the same status and no body."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

pytestmark = pytest.mark.django_db

FILLED = {
    "<uuid:identity>": str(uuid.uuid4()),
    "<str:size>": "thumbnail",
    "<slug:digest>": "0" * 16,
    "<slug:size>": "small",
    "<slug:kind>": "csv",
    "<str:slug>": "nowhere",
    "<str:token>": "unknown",
    "<str:name>": "unknown.jpg",
}


def addresses(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """Every address of the site's own pages and API, with something in place of what varies."""
    for pattern in resolver.url_patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            for name, value in FILLED.items():
                path = path.replace(name, value)
            if not set("<^(") & set(path):
                yield path
        elif not path.startswith(("/admin/", "/i18n/")):
            yield from addresses(pattern, path)


def test_head_is_answered_wherever_get_is(client):
    found = sorted(set(addresses(get_resolver())))
    assert {"/", "/photos/", "/places/", "/map/", "/accuracy/", "/about/", "/api/v1/photos/"} <= set(found)
    told = {path: (client.get(path).status_code, client.head(path).status_code) for path in found}
    assert {path: both for path, both in told.items() if both[0] != both[1]} == {}


def test_head_brings_the_headers_without_the_page(client):
    page, head = client.get("/about/"), client.head("/about/")
    assert (head.content, head["Content-Type"]) == (b"", page["Content-Type"])
