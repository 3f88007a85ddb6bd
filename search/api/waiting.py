"""Holding the line for an answer, without letting those who wait occupy the whole server."""

from __future__ import annotations

import threading

from search import requests
from search.models import SearchRequest

MAX_WAITING = 4
"""Of this process' threads; whoever comes when they are taken is told at once where to look later."""

_places = threading.BoundedSemaphore(MAX_WAITING)


def wait_for_answer(request: SearchRequest, *, timeout_s: float) -> SearchRequest:
    if requests.is_over(request) or timeout_s <= 0 or not _places.acquire(blocking=False):
        return request
    try:
        return requests.wait_for(request, timeout_s)
    finally:
        _places.release()
