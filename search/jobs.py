"""What the workers run: thin, by id, and safe to run twice."""

from __future__ import annotations

from typing import Final

from photos.models import EmbeddingSpace
from search import requests, weighing
from search.evaluation import background

WEIGH_S: Final = 60.0
"""Then other jobs get their turn; the reconciler has the rest done."""


def run_request(request_id: int) -> bool:
    """Answer a request, if it still needs it and nobody else is at it."""
    return requests.run(request_id)


def weigh_segments(space_id: int) -> bool:
    """Weigh the segments of a space, for a while."""
    space = EmbeddingSpace.objects.filter(pk=space_id).first()
    return space is not None and weighing.weigh_space(space, limit_s=WEIGH_S)


def run_evaluation(report_id: int) -> bool:
    """Go on with measuring the collection by itself, or with a calibration, for a while."""
    return background.run_slice(report_id)
