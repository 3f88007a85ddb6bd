"""Questions for programs: parse, call one service, answer."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from photos.api.uploads import UploadView
from photos.api.views import find_photo
from search import requests, services
from search.api import schema
from search.api.errors import Unanswerable
from search.api.presenting import present_answer, present_matches
from search.api.serializers import LimitParameters, LocateQuestion, SearchQuestion, WaitParameters
from search.api.waiting import wait_for_answer
from search.models import RequestKind, RequestState, SearchRequest

RETRY_AFTER_S = 1


def session_key_of(request: Request) -> str:
    return request.session.session_key or "" if hasattr(request, "session") else ""


def respond(request: Request, question: SearchRequest, *, wait_s: float) -> Response:
    """200 with the answer, or 202 with where it will be."""
    question = wait_for_answer(question, timeout_s=wait_s)
    answer = present_answer(question, request)
    if requests.is_over(question):
        return Response(answer)
    pending = {name: answer[name] for name in ("id", "url", "page", "state", "stage")}
    headers = {"Location": answer["url"], "Retry-After": str(RETRY_AFTER_S)}
    return Response(pending, status=202, headers=headers)


def respond_first(request: Request, question: SearchRequest, *, wait_s: float) -> Response:
    """The same for a new question, whose picture may turn out to be none."""
    response = respond(request, question, wait_s=wait_s)
    if response.data["state"] == RequestState.FAILED:
        raise Unanswerable(response.data["error"], question={key: response.data[key] for key in ("id", "url")})
    return response


def read(serializer: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class LocateView(UploadView):
    permission_classes = [AllowAny]
    throttle_scope = "questions"

    @extend_schema(**schema.LOCATE)
    def post(self, request: Request) -> Response:
        in_address = read(WaitParameters(data=request.query_params))
        asked = {**read(LocateQuestion(data=request.data)), **in_address}
        question = requests.submit(
            asked["image"],
            kind=RequestKind.LOCATE,
            viewer=request.user,
            session_key=session_key_of(request),
            original_name=asked["image"].name,
        )
        return respond_first(request, question, wait_s=asked["wait"])


class AnswerView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(**schema.READ_ANSWER)
    def get(self, request: Request, identity: uuid.UUID) -> Response:
        wait_s = read(WaitParameters(data=request.query_params)).get("wait", 0)
        try:
            question = requests.find_for(identity, viewer=request.user, session_key=session_key_of(request))
        except SearchRequest.DoesNotExist as exc:
            raise Http404("No question of that id is yours, or it has expired.") from exc
        return respond(request, question, wait_s=wait_s)


class SearchView(UploadView):
    permission_classes = [AllowAny]
    throttle_scope = "questions"

    @extend_schema(**schema.SEARCH)
    def post(self, request: Request) -> Response:
        asked = read(SearchQuestion(data=request.data))
        if "photo" in asked:
            return similar_photos(request, asked["photo"], limit=asked["limit"])
        question = requests.submit(
            asked["image"],
            kind=RequestKind.SEARCH,
            viewer=request.user,
            session_key=session_key_of(request),
            original_name=asked["image"].name,
            parameters={"limit": asked["limit"]},
        )
        return respond_first(request, question, wait_s=asked["wait"])


class SimilarPhotosView(APIView):
    @extend_schema(**schema.SIMILAR)
    def get(self, request: Request, identity: uuid.UUID) -> Response:
        limit = read(LimitParameters(data=request.query_params))["limit"]
        return similar_photos(request, identity, limit=limit)


def similar_photos(request: Request, identity: uuid.UUID, *, limit: int) -> Response:
    photo = find_photo(request, identity)
    result = services.similar_to_photo(photo, viewer=request.user, limit=limit)
    return Response(present_matches(result, request))
