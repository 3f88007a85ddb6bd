"""What the workers run: thin, by id, and safe to run twice."""

from __future__ import annotations

from search import requests


def run_request(request_id: int) -> bool:
    """Answer a request, if it still needs it and nobody else is at it."""
    return requests.run(request_id)
