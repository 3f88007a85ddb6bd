"""The API's reference for people, told from its OpenAPI description: the same words, so never out of step."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from drf_spectacular.generators import SchemaGenerator

METHODS: Final = ("get", "post", "put", "patch", "delete")
DEPTH: Final = 3
"""So many levels of objects within objects are listed, `matches[].segments[].similarity` among them."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of what is sent or answered; `name` is its path, as in `matches[].photo`."""

    name: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent or answered in one content type."""

    content_type: str
    fields: Sequence[Field]


@dataclass(frozen=True, slots=True)
class Response:
    """One status with what comes with it; `example` is JSON."""

    status: str
    description: str
    bodies: Sequence[Body]
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address."""

    identity: str
    method: str
    path: str
    summary: str
    description: str
    group: str
    needs_account: bool
    parameters: Sequence[Field]
    bodies: Sequence[Body]
    answers: Sequence[Response]
    problems: Sequence[Response]
    command: str


def api_reference(request: HttpRequest) -> HttpResponse:
    """Show every operation, grouped, with a command to try it."""
    operations = read_operations(read_schema(), address=request.build_absolute_uri("/").rstrip("/"))
    groups: dict[str, list[Operation]] = {}
    for operation in operations:
        groups.setdefault(operation.group, []).append(operation)
    return render(request, "api/reference.html", {"groups": groups, "section": "api"})


@functools.cache
def read_schema() -> dict[str, Any]:
    """Return the OpenAPI description; it changes with the code alone."""
    generator: Any = SchemaGenerator
    schema: dict[str, Any] = generator().get_schema(request=None, public=True)
    return schema


def read_operations(schema: Schema, *, address: str) -> list[Operation]:
    """Return the operations of an OpenAPI description in its order, with commands that call them at `address`."""
    return [
        _operation(schema, method, path, told, address)
        for path, methods in schema["paths"].items()
        for method, told in methods.items()
        if method in METHODS
    ]


def _operation(schema: Schema, method: str, path: str, told: Schema, address: str) -> Operation:
    responses = [_response(schema, status, answer) for status, answer in sorted(told["responses"].items())]
    bodies = _bodies(schema, told.get("requestBody", {}))
    return Operation(
        identity=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told.get("summary", ""),
        description=_with_code(told.get("description", "")),
        group=told.get("tags", ["other"])[0],
        needs_account={} not in told.get("security", [{}]),
        parameters=[_parameter(schema, one) for one in told.get("parameters", [])],
        bodies=bodies,
        answers=[one for one in responses if one.status < "300"],
        problems=[one for one in responses if one.status >= "300"],
        command=_command(method, address + path, bodies),
    )


def _parameter(schema: Schema, told: Schema) -> Field:
    name = f"{{{told['name']}}}" if told["in"] == "path" else told["name"]
    return Field(name, type_of(schema, told["schema"]), told.get("required", False), _words(schema, told))


def _response(schema: Schema, status: str, told: Schema) -> Response:
    examples = [
        example["value"]
        for content in told.get("content", {}).values()
        for example in content.get("examples", {}).values()
    ]
    shown = json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else ""
    return Response(status, told.get("description", ""), _bodies(schema, told), shown)


def _bodies(schema: Schema, told: Schema) -> list[Body]:
    return [
        Body(content_type, list(fields_of(schema, content.get("schema", {}))))
        for content_type, content in told.get("content", {}).items()
    ]


def fields_of(schema: Schema, told: Schema, *, prefix: str = "", depth: int = DEPTH) -> Iterator[Field]:
    """Yield the fields of an object, and of the objects in it, `depth` levels down."""
    found = _resolved(schema, told)
    required = found.get("required", [])
    for name, inner in found.get("properties", {}).items():
        yield Field(prefix + name, type_of(schema, inner), name in required, _words(schema, inner))
        one = _resolved(schema, inner)
        many = one.get("type") == "array"
        if depth > 1:
            below = f"{prefix}{name}{'[]' if many else ''}."
            yield from fields_of(schema, one["items"] if many else one, prefix=below, depth=depth - 1)


def type_of(schema: Schema, told: Schema) -> str:
    """Return the type in words, such as `integer, 1 to 200` or `list of string`."""
    found = _resolved(schema, told)
    if found.get("type") == "array":
        return f"list of {type_of(schema, found['items'])}"
    if "enum" in found:
        return " | ".join(json.dumps(value) if value is None else str(value) for value in found["enum"])
    kinds = found.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = " or ".join("file" if found.get("format") == "binary" else kind for kind in kinds)
    least, most = found.get("minimum"), found.get("maximum")
    bounds = f", {least} to {most}" if least is not None and most is not None else ""
    return words + bounds + (" or null" if _may_be_null(told) else "")


def _resolved(schema: Schema, told: Schema) -> Schema:
    """Return the schema that a reference, or the one choice beside null, leads to."""
    if "$ref" in told:
        found: Schema = schema["components"]["schemas"][told["$ref"].rsplit("/", 1)[1]]
        return found
    for choices in ("oneOf", "anyOf", "allOf"):
        real = [one for one in told.get(choices, []) if one.get("type") != "null"]
        if real:
            return _resolved(schema, real[0])
    return told


def _may_be_null(told: Schema) -> bool:
    return any(one.get("type") == "null" for one in told.get("oneOf", []))


def _words(schema: Schema, told: Schema) -> str:
    """Return the description, less the list of its values, which the type tells already."""
    words = told.get("description") or _resolved(schema, told).get("description", "")
    kept = [line for line in words.splitlines() if not line.startswith("* `")]
    default = _resolved(schema, told.get("schema", told)).get("default")
    if default not in (None, ""):
        kept.append(f"Default: {default}.")
    return _with_code(" ".join(kept).strip())


def _with_code(words: str) -> SafeString:
    """Return the words as HTML, `what stands between these` as code."""
    parts = (format_html("<code>{}</code>", part) if turn % 2 else part for turn, part in enumerate(words.split("`")))
    return format_html_join("", "{}", ((part,) for part in parts))


def _command(method: str, url: str, bodies: Sequence[Body]) -> str:
    """Return a curl command; a picture and what else is required are filled in with what stands for them."""
    words = ["curl"] if method == "get" else ["curl", "-X", method.upper()]
    forms = [body for body in bodies if body.content_type == "multipart/form-data"]
    if forms:
        words = ["curl"] if method == "post" else words
        for field in forms[0].fields:
            if field.is_required or field.type == "file":
                words += ["-F", f"{field.name}={'@photo.jpg' if field.type == 'file' else '…'}"]
    elif bodies:
        words += ["-H", "Content-Type: application/json", "-d", "{}"]
    return shlex.join([*words, url])
