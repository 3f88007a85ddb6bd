"""What can go wrong in an evaluation."""

from __future__ import annotations

from search.errors import SearchError


class EvaluationError(SearchError):
    """A file, a data set or a run that cannot be evaluated; the message says which and why."""
