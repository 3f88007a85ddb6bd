"""Every failure of the API as a problem document (RFC 9457, `application/problem+json`).

`type` stays "about:blank", so `title` is the status' own phrase; `code` is the stable word for programs, `detail`
the sentence for people, and `errors` lists the fields at fault.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from django.views import defaults
from rest_framework.exceptions import APIException, NotFound, ParseError, ValidationError
from rest_framework.exceptions import PermissionDenied as ApiPermissionDenied
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from photos.errors import CollectionError
from photos.vision.errors import ImageRefused

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"
RETRY_AFTER_S = 5
DATABASE_DOWN = (OperationalError, InterfaceError)
REFUSAL_STATUS = {
    "empty": 400,
    "too-large": 413,
    "unsupported-format": 415,
    "too-many-pixels": 422,
    "too-small": 422,
    "broken": 422,
}


class ProblemRenderer(JSONRenderer):
    media_type = CONTENT_TYPE
    format = "problem"


class Unavailable(APIException):
    status_code = 503
    default_code = "unavailable"
    default_detail = "The database does not answer; try again in a few seconds."
    wait = RETRY_AFTER_S


def problem(status: int, detail: str, *, code: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }


def problem_json(status: int, detail: str, *, code: str, **more: Any) -> JsonResponse:
    """The same outside the REST framework's views."""
    return JsonResponse(problem(status, detail, code=code, **more), status=status, content_type=CONTENT_TYPE)


def problem_response(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """The REST framework's exception handler; None (an error of ours) goes on to `server_error`."""
    failure = _as_api_exception(exc)
    if failure is None:
        return None
    response = exception_handler(failure, dict(context))
    if response is None:
        return None
    response.data = _describe(failure, response.status_code)
    request = context.get("request")
    if request is not None:  # whatever was asked for: a problem is no GeoJSON
        request.accepted_renderer = ProblemRenderer()
        request.accepted_media_type = CONTENT_TYPE
    return response


def _as_api_exception(exc: Exception) -> APIException | None:
    match exc:
        case APIException():
            return exc
        case Http404():
            return NotFound(str(exc.args[0]) if exc.args and isinstance(exc.args[0], str) else None)
        case PermissionDenied():
            return ApiPermissionDenied()
        case ImageRefused():
            return _with_status(REFUSAL_STATUS.get(exc.code, 400), str(exc), code=exc.code)
        case CollectionError():
            return _with_status(400, str(exc), code="invalid") if exc.permanent else Unavailable(str(exc))
        case _ if isinstance(exc, DATABASE_DOWN):
            logger.warning("the database does not answer: %s", exc)
            return Unavailable()
        case RequestDataTooBig() | TooManyFieldsSent() | TooManyFilesSent():
            return _with_status(413, str(exc), code="too-large")
        case MultiPartParserError() | UnreadablePostError() | SuspiciousOperation():
            return ParseError(str(exc) or None)
    return None


def _with_status(status: int, detail: str, *, code: str) -> APIException:
    failure = APIException(detail, code=code)
    failure.status_code = status
    return failure


def _describe(failure: APIException, status: int) -> dict[str, Any]:
    if isinstance(failure, ValidationError):
        errors = list(_field_errors(failure.get_full_details()))
        detail = "; ".join(f"{e['field']}: {e['detail']}" if e["field"] else e["detail"] for e in errors)
        return problem(status, detail, code="invalid", errors=errors)
    code = failure.get_codes()
    more = getattr(failure, "more", {})
    return problem(status, str(failure.detail), code=str(code).replace("_", "-"), **more)


def _field_errors(details: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Flatten the framework's nested details: one entry an error, `tags[2]` for the third tag."""
    if isinstance(details, list):
        for item in details:
            yield from _field_errors(item, path)
    elif isinstance(details, dict) and isinstance(details.get("message"), str):
        yield {"field": path, "detail": str(details["message"]), "code": str(details["code"])}
    elif isinstance(details, dict):
        for key, value in details.items():
            inner = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip(".")
            yield from _field_errors(value, path if key == "non_field_errors" else inner)


def api_not_found(request: HttpRequest, unknown: str = "") -> HttpResponse:
    """Any other address under /api/: one without its last slash is shown the way, body and all."""
    try:
        if not request.path_info.endswith("/") and resolve(request.path_info + "/").func is not api_not_found:
            # one leading slash: "//host/" would lead to another site
            target = "/" + request.path.lstrip("/") + "/"
            query = request.META.get("QUERY_STRING", "")
            response = HttpResponse(status=308)
            response["Location"] = f"{target}?{query}" if query else target
            return response
    except Resolver404:
        pass
    return problem_json(404, _("No such address; /api/docs/ lists those that exist."), code="not-found")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Handler of 500: our own errors, and 503 where the database is the reason."""
    if isinstance(sys.exc_info()[1], DATABASE_DOWN):
        return _unavailable(request)
    if request.path_info.startswith(API_PREFIX):
        return problem_json(500, _("Something went wrong on our side; it has been logged."), code="error")
    return defaults.server_error(request)


def _unavailable(request: HttpRequest) -> HttpResponse:
    detail = _("The database does not answer; try again in a few seconds.")
    if request.path_info.startswith(API_PREFIX):
        response: HttpResponse = problem_json(503, detail, code="unavailable")
    else:
        response = HttpResponse(render_to_string("503.html"), status=503)  # without a request: it asks no database
    response["Retry-After"] = str(RETRY_AFTER_S)
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Handler of 400."""
    if request.path_info.startswith(API_PREFIX):
        return problem_json(400, str(exception) or _("The request cannot be read."), code="bad-request")
    return defaults.bad_request(request, exception)
