"""Questions for programs: parse, call one service, answer."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from photos.api.uploads import UploadView
from photos.api.views import find_photo
from search import requests
from search.api import schema
from search.api.errors import Unanswerable
from search.api.presenting import present_answer, present_at_once, present_matches
from search.api.serializers import (
    AnswerParameters,
    LocateQuestion,
    SearchQuestion,
    SimilarParameters,
    WaitParameters,
)
from search.api.waiting import wait_for_answer
from search.asking import ask, check_asker
from search.errors import QuestionError
from search.models import RequestKind, RequestState, SearchRequest
from search.question import MAX_LIMIT, Question
from search.types import SearchResult

RETRY_AFTER_S = 1


def session_key_of(request: Request) -> str:
    return request.session.session_key or "" if hasattr(request, "session") else ""


def respond(
    request: Request, question: SearchRequest, *, wait_s: float, limit: int | None = None, offset: int = 0
) -> Response:
    """200 with the answer, or 202 with where it will be."""
    question = wait_for_answer(question, timeout_s=wait_s)
    answer = present_answer(question, request, limit=limit, offset=offset)
    if requests.is_over(question):
        return Response(answer)
    pending = {name: answer[name] for name in ("id", "url", "page", "state", "stage")}
    headers = {"Location": answer["url"], "Retry-After": str(RETRY_AFTER_S)}
    return Response(pending, status=202, headers=headers)


def respond_first(request: Request, question: SearchRequest, *, wait_s: float, offset: int = 0) -> Response:
    """The same for a new question, whose picture may turn out to be none."""
    response = respond(request, question, wait_s=wait_s, offset=offset)
    if response.data["state"] == RequestState.FAILED:
        raise Unanswerable(response.data["error"], question={key: response.data[key] for key in ("id", "url")})
    return response


def ask_at_once(request: Request, question: Question) -> SearchResult:
    """Answer what needs no upload; raises what the API says for a question that cannot be asked."""
    if question.photo is not None:
        find_photo(request, question.photo)
    try:
        return ask(question, viewer=request.user, limit=MAX_LIMIT)
    except QuestionError as exc:
        raise ValidationError({exc.name: exc.reason} if exc.name else exc.reason) from exc


def submit(request: Request, asked: dict[str, Any], kind: RequestKind) -> SearchRequest:
    try:
        check_asker(asked["question"], viewer=request.user)
    except QuestionError as exc:
        raise ValidationError(str(exc)) from exc
    return requests.submit(
        asked["image"],
        kind=kind,
        viewer=request.user,
        session_key=session_key_of(request),
        original_name=asked["image"].name,
        parameters=asked["question"].to_parameters(),
    )


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
        question, offset = asked["question"], asked.get("cursor", 0)
        if "image" not in asked:
            result = ask_at_once(request, question)
            return Response(present_at_once(result, request, limit=question.limit, offset=offset))
        return respond_first(request, submit(request, asked, RequestKind.LOCATE), wait_s=asked["wait"], offset=offset)


class AnswerView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(**schema.READ_ANSWER)
    def get(self, request: Request, identity: uuid.UUID) -> Response:
        asked = read(AnswerParameters(data=request.query_params))
        try:
            question = requests.find_for(identity, viewer=request.user, session_key=session_key_of(request))
        except SearchRequest.DoesNotExist as exc:
            raise Http404("No question of that id is yours, or it has expired.") from exc
        return respond(request, question, wait_s=asked.get("wait", 0), limit=asked["limit"], offset=asked["cursor"])


class SearchView(UploadView):
    permission_classes = [AllowAny]
    throttle_scope = "questions"

    @extend_schema(**schema.SEARCH)
    def post(self, request: Request) -> Response:
        asked = read(SearchQuestion(data=request.data))
        question, offset = asked["question"], asked.get("cursor", 0)
        if "image" not in asked:
            result = ask_at_once(request, question)
            return Response(present_matches(result, request, limit=question.limit, offset=offset))
        return respond_first(request, submit(request, asked, RequestKind.SEARCH), wait_s=asked["wait"], offset=offset)


class SimilarPhotosView(APIView):
    throttle_scope = "similar"

    @extend_schema(**schema.SIMILAR)
    def get(self, request: Request, identity: uuid.UUID) -> Response:
        asked = read(SimilarParameters(data=request.query_params))
        result = ask_at_once(request, Question(photo=identity))
        return Response(present_matches(result, request, limit=asked["limit"], offset=asked["cursor"]))
