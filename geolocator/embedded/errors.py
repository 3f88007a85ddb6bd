"""What can go wrong with the embedded servers."""

from __future__ import annotations


class EmbeddedServerError(RuntimeError):
    """A server could not be started or reached; the message says why and what to do."""
