"""The part of `up` that sees to it that the site gets SAM and CLIP, once they can be had."""

from __future__ import annotations

import time
from typing import Final

from geolocator.supervisor import Part, Supervisor
from photos.services import automatic_switch

NAME: Final = "models"
_LOOK_EVERY_S: Final = 5.0
_TRY_EVERY_S: Final = 3600.0


class ModelsPart:
    """Starts `manage.py models auto`: at once, when weights were copied here, and every hour until it is done."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._next_look = 0.0
        self._next_try = 0.0
        self._missing = -1
        self._over = False

    def look(self) -> None:
        """Start it where it is time to; called a few times a second once the site answers."""
        now = time.monotonic()
        if self._over or now < self._next_look or self._supervisor.has(NAME) or self._supervisor.has("sample"):
            return
        self._next_look = now + _LOOK_EVERY_S
        if not automatic_switch.is_wanted():
            self._over = True
            return
        missing = len(automatic_switch.missing_files())
        if now >= self._next_try or missing < self._missing:
            self._next_try = now + _TRY_EVERY_S
            self._supervisor.add(Part(NAME, ["manage.py", "models", "auto"], once=True))
        self._missing = missing
