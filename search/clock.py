"""How long each stage of a search took, told on while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping

from search.types import Progress


class StageClock:
    """Measures stages in milliseconds; call it with the name of each as it begins.

    A stage that is named again goes on. `progress` hears of every change and may end the search by raising.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self._stage = ""
        self._since = self._began = time.perf_counter()
        self._spent: dict[str, float] = {}

    def __call__(self, stage: str) -> None:
        if stage == self._stage:
            return
        self._close()
        self._stage = stage
        if self._progress is not None:
            self._progress(stage)

    def timings_ms(self) -> Mapping[str, float]:
        """Return milliseconds by stage, and "total"."""
        self._close()
        total = (time.perf_counter() - self._began) * 1000
        return {stage: round(spent, 1) for stage, spent in self._spent.items()} | {"total": round(total, 1)}

    def _close(self) -> None:
        now = time.perf_counter()
        if self._stage:
            self._spent[self._stage] = self._spent.get(self._stage, 0.0) + (now - self._since) * 1000
        self._since = now
