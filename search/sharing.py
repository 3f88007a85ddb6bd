"""Links to answers: unguessable, told without the asker's EXIF, ended by the asker or with the answer."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Final

from photos.querysets import Viewer
from search import requests
from search.models import RequestState, SearchRequest
from search.types import SearchResult

TOKEN_BYTES: Final = 24
PRIVATE_SOURCES: Final = frozenset({"exif", "time"})
"""What the asker's own file said about itself, and their own photos of that hour, are told to nobody else."""


def share(request: SearchRequest) -> str:
    """Return the token by which anyone may read the answer; the same one however often it is shared."""
    if request.share_token is None:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        SearchRequest.objects.filter(pk=request.pk, share_token=None).update(share_token=token)
        request.refresh_from_db(fields=["share_token"])
    return str(request.share_token)


def stop_sharing(request: SearchRequest) -> None:
    """End the link; a later one has another token."""
    request.share_token = None
    request.save(update_fields=["share_token"])


def find_shared(token: str) -> SearchRequest:
    """Return the answered request that is shared by `token`; raises `SearchRequest.DoesNotExist`."""
    shared = SearchRequest.objects.filter(requests.is_alive(), state=RequestState.DONE)
    return shared.get(share_token=token)


def read_shared_result(request: SearchRequest, *, viewer: Viewer) -> SearchResult | None:
    """Return the answer that `viewer`, who is not the asker, may know."""
    result = requests.read_result(request, viewer=viewer)
    if result is None:
        return None
    return replace(result, sources=tuple(one for one in result.sources if one.source not in PRIVATE_SOURCES))
