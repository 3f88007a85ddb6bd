"""Asking on from an answer: with a part of the picture, with words, with filters. Each is a question of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from photos.errors import NoActiveSpaceError
from photos.querysets import Viewer
from photos.services.spaces import active_space
from photos.vision import registry
from photos.vision.errors import UnknownModelError
from search import requests
from search.models import RequestKind, SearchRequest

MAX_DEPTH: Final = 20
"""So many steps of a trail are shown; nobody refines further."""


def refine(request: SearchRequest, parameters: Mapping[str, Any], *, viewer: Viewer, session_key: str) -> SearchRequest:
    """Ask about the same picture with other parameters; the new question names the one it refines.

    Raises `ImageRefused`, and `FileNotFoundError` where the picture is gone.
    """
    with request.image.open("rb") as file:
        data = bytes(file.read())
    return requests.submit(
        data,
        kind=RequestKind.LOCATE,
        viewer=viewer,
        session_key=session_key,
        original_name=request.original_name,
        parameters=parameters,
        parent=request,
    )


def trail_of(request: SearchRequest, *, viewer: Viewer, session_key: str) -> list[SearchRequest]:
    """Return the questions that led to this one, the first one first, itself left out.

    It ends where one has expired or is another's.
    """
    trail: list[SearchRequest] = []
    step = request.parent
    while step is not None and len(trail) < MAX_DEPTH:
        try:
            trail.append(requests.find_for(step.uuid, viewer=viewer, session_key=session_key))
        except SearchRequest.DoesNotExist:
            break
        step = step.parent
    return trail[::-1]


def knows_words() -> bool:
    """Whether the active space has a text tower, so that words can be asked with a picture."""
    try:
        return registry.get_spec(active_space().encoder).has_text
    except (UnknownModelError, NoActiveSpaceError):
        return False
