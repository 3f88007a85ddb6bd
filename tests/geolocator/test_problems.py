"""Problem documents, the strict JSON parser and the visitors' throttle."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, JsonResponse
from django.test import RequestFactory
from django.test.client import Client
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework import exceptions, serializers
from rest_framework.exceptions import ParseError
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from geolocator import problems, throttles
from geolocator.middleware import refuse_unreadable
from geolocator.parsers import MAX_DEPTH, StrictJSONParser
from photos.errors import InvalidTagError, NoActiveSpaceError
from photos.vision.errors import ImageRefused


class Question(serializers.Serializer[Any]):
    latitude = serializers.FloatField(max_value=90)
    names = serializers.ListField(child=serializers.CharField(max_length=3), required=False)


class EchoView(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_scope = "test"

    def get(self, request):
        return Response({})

    def post(self, request):
        question = Question(data=request.data)
        question.is_valid(raise_exception=True)
        return Response(question.validated_data)


def fail_without_database(request):
    raise OperationalError("connection refused")


def fail(request):
    raise ZeroDivisionError


urlpatterns = [
    path("api/echo/", EchoView.as_view()),
    path("api/down/", fail_without_database),
    path("api/broken/", fail),
    path("page/down/", fail_without_database),
    path("api/<path:unknown>", problems.api_not_found),
]
handler500 = "geolocator.problems.server_error"


@pytest.fixture
def client(settings):
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def parse(text: str | bytes):
    body = text.encode() if isinstance(text, str) else text
    return StrictJSONParser().parse(io.BytesIO(body))


def describe(exc: Exception):
    response = problems.problem_response(exc, {"request": None})
    assert response is not None
    return response.status_code, response.data


def test_it_works(client):
    response = client.post("/api/echo/", {"latitude": 12.5}, content_type="application/json")
    assert (response.status_code, response.json()) == (200, {"latitude": 12.5})


def test_a_problem_names_the_field_and_what_is_allowed(client):
    response = client.post("/api/echo/", {"latitude": 91, "names": ["a", "long"]}, content_type="application/json")
    body = response.json()
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert {"type": "about:blank", "title": "Bad Request", "status": 400, "code": "invalid"}.items() <= body.items()
    assert [error["field"] for error in body["errors"]] == ["latitude", "names[1]"]
    assert "90" in body["errors"][0]["detail"]
    assert body["errors"][0]["detail"] in body["detail"]


def test_a_problem_is_a_problem_whatever_was_asked_for(client):
    response = client.delete("/api/echo/", headers={"accept": "application/json"})
    assert (response.status_code, response["Content-Type"]) == (405, "application/problem+json")
    assert response.json()["title"] == "Method Not Allowed"


def test_it_rejects_what_it_cannot_render(client):
    response = client.get("/api/echo/", headers={"accept": "text/csv"})
    assert (response.status_code, response["Content-Type"]) == (406, "application/problem+json")


def test_an_unknown_address_is_a_problem(client):
    response = client.get("/api/nothing/of/the/kind")
    assert (response.status_code, response.json()["code"]) == (404, "not-found")


def test_a_forgotten_last_slash_is_shown_the_way(client):
    response = client.post("/api/echo?wait=3", {})
    assert (response.status_code, response["Location"]) == (308, "/api/echo/?wait=3")


def test_without_a_database_it_says_so_and_when_to_ask_again(client):
    api, page = client.get("/api/down/"), client.get("/page/down/")
    assert (api.status_code, api.json()["code"], api["Retry-After"]) == (503, "unavailable", "5")
    assert (page.status_code, page["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert "Nothing is lost" in page.content.decode()


def test_our_own_error_is_a_problem_too_and_tells_nothing(client):
    response = client.get("/api/broken/")
    assert (response.status_code, response.json()["title"]) == (500, "Internal Server Error")
    assert "Zero" not in response.content.decode()


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (Http404("No photo of that id."), 404, "not-found"),
        (exceptions.NotAuthenticated(), 401, "not-authenticated"),
        (RequestDataTooBig("too big"), 413, "too-large"),
        (OperationalError("gone"), 503, "unavailable"),
        (NoActiveSpaceError("no space is active yet"), 503, "unavailable"),
        (InvalidTagError("a tag needs a letter"), 400, "invalid"),
        (ImageRefused("no picture", code="unsupported-format"), 415, "unsupported-format"),
        (ImageRefused("larger than 16 MiB", code="too-large"), 413, "too-large"),
        (ImageRefused("damaged", code="broken"), 422, "broken"),
        (ImageRefused("empty", code="empty"), 400, "empty"),
    ],
)
def test_every_refusal_has_its_status_and_code(exc, status, code):
    found, body = describe(exc)
    assert (found, body["status"], body["code"]) == (status, status, code)
    assert body["detail"]


def test_an_error_of_ours_is_left_to_the_server():
    assert problems.problem_response(ValueError("bug"), {"request": None}) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        '{"a":' * 100_000,
        "[" * 1_000_000,
        '{"latitude": NaN}',
        '{"latitude": -Infinity}',
        '{"latitude": 1e999}',
        '{"latitude": ' + "9" * 5000 + "}",
        '{"title": "a\\u0000b"}',
        '{"a\\u0000": 1}',
        '{"title": "\\ud800"}',
        '"\\',
        "",
        "{",
        b"\xff\xfe",
        b'{"title": "\xff"}',
    ],
)
def test_the_parser_rejects(text):
    with pytest.raises(ParseError):
        parse(text)


def test_the_parser_takes_the_depth_that_is_allowed_and_brackets_in_texts():
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse(deep) == json.loads(deep)
    assert parse('{"title": "\\"[[[[[' + "[" * 100 + '"}')["title"].endswith("[" * 100)


def test_the_parser_rejects_a_body_that_is_too_large(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    with pytest.raises(exceptions.APIException) as caught:
        parse('"0123456789"')
    assert caught.value.status_code == 413


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_the_parser_reads_what_json_writes(value):
    assert parse(json.dumps(value)) == value


@given(st.text() | st.binary())
def test_the_parser_never_breaks(text):
    with contextlib.suppress(ParseError):
        parse(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)


@pytest.mark.parametrize(
    "request_",
    [
        RequestFactory().get("/api/x/", {"tags": "a\x00b"}),
        RequestFactory().get("/api/x/?%00=1"),
        RequestFactory().get("/api/x%00/"),
        RequestFactory().get("/", HTTP_COOKIE='sessionid="a\\000b"'),
        RequestFactory().get("/", HTTP_AUTHORIZATION="Token a\x00b"),
    ],
)
def test_a_nul_anywhere_in_the_head_is_refused(request_):
    response = refuse_unreadable(lambda _: pytest.fail("the view was reached"))(request_)
    assert isinstance(response, JsonResponse)
    assert response.status_code == 400
    assert json.loads(response.content)["code"] == "nul"


@pytest.fixture
def asked(settings, redis_connection):
    """Ask once from an address; tells the status."""
    redis_connection.flushdb()
    settings.LOCATE_RATE = "3/hour"

    def ask(address: str, **headers: str):
        request = APIRequestFactory().post("/", {"latitude": 1}, format="json", REMOTE_ADDR=address, **headers)
        return EchoView.as_view()(request)

    return ask


def test_a_visitor_may_ask_so_often_and_is_told_when_again(asked):
    assert [asked("198.51.100.7").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    response = asked("198.51.100.7")
    assert response.data["code"] == "throttled"
    assert 0 < int(response["Retry-After"]) <= 3600
    assert asked("198.51.100.8").status_code == 200


def test_an_ipv6_household_is_one_visitor(asked):
    found = [asked(f"2001:db8:1:2::{n}").status_code for n in range(4)]
    assert found == [200, 200, 200, 429]
    assert asked("2001:db8:1:3::1").status_code == 200


def test_nobody_names_their_own_address(asked):
    found = [asked("198.51.100.7", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}").status_code for n in range(4)]
    assert found == [200, 200, 200, 429]


def statuses(view, method):
    factory = APIRequestFactory()
    return [view(getattr(factory, method)("/", REMOTE_ADDR="198.51.100.9")).status_code for _ in range(4)]


def test_reading_is_counted_where_it_costs_as_much_as_a_question(asked):
    assert statuses(EchoView.as_view(), "get") == [200, 200, 200, 429]
    assert statuses(EchoView.as_view(throttle_scope=None), "get") == [200] * 4
    assert statuses(EchoView.as_view(), "options") == [200] * 4


def test_without_redis_it_counts_in_the_process(asked, monkeypatch):
    throttles._fallback.clear()

    class Away:
        def __getitem__(self, name: str):
            raise RedisConnectionError("refused")

    monkeypatch.setattr(throttles, "caches", Away())
    assert [asked("198.51.100.7").status_code for _ in range(4)] == [200, 200, 200, 429]
    throttles._fallback.clear()


@pytest.mark.parametrize("rate", ["", "60", "0/min", "60/fortnight", "-1/min", "a/min"])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ImproperlyConfigured, match="60/min"):
        throttles.parse_rate(rate)


def test_rates_are_read():
    assert [throttles.parse_rate(rate) for rate in ("60/min", "5/s", "500/day")] == [(60, 60), (5, 1), (500, 86400)]
