"""What can go wrong with a question; `permanent` says that trying again will not help."""

from __future__ import annotations


class SearchError(Exception):
    """The base of every error of search; the message may be shown to people."""

    permanent = True


class RequestLostError(SearchError):
    """Another worker owns the request now, or it was purged: whatever was found must not be written."""


class QuestionError(SearchError):
    """A question that cannot be asked like this; the message says what is possible, of the parameter `name` if any."""

    def __init__(self, reason: str, *, name: str = "") -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.name, self.reason = name, reason
