"""Connects saving to indexing."""

from __future__ import annotations


def connect() -> None:
    """Filled in with the indexing job."""
