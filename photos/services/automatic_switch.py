"""From the weightless space to SAM and CLIP without anybody asking: fetched, tried, filled, swapped, once.

Runs beside the site, politely; may be killed at any moment and begun again. Once done, or where someone switched by
hand, it never acts again: going back to the weightless space is a person's decision.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Final

from django.conf import settings
from django.db.models import Q

from photos.errors import CollectionError
from photos.models import EmbeddingSpace
from photos.models.embedding import SpaceState
from photos.services import model_news, switching
from photos.services.model_news import ModelNews
from photos.services.spaces import SUGGESTED, remaining_photos
from photos.vision import catalogue, registry, weights
from photos.vision.errors import VisionError, WeightsMissingError
from photos.vision.types import WeightFile

Say = Callable[[str], object]

_LOOK_EVERY_S: Final = 1.0
_SAY_EVERY_S: Final = 5.0
_BAR: Final = 20


def is_wanted() -> bool:
    """Say whether there may be a switch to make: asked for, possible with what is installed, and not over.

    Asks no database: `manage.py up` looks every few seconds.
    """
    if not settings.MODELS_AUTO or find_spec("torch") is None:
        return False
    news = model_news.last()
    return news is None or news.stage != "done"


def missing_files() -> list[WeightFile]:
    """Return what would have to be fetched."""
    return catalogue.missing(catalogue.files_for_space(SUGGESTED, registry.default_segmenter(SUGGESTED)))


def run(say: Say) -> None:
    """Do what is left of the switch, and tell how it goes; returns when it is done, or cannot be done now."""
    if not is_wanted():
        return
    before = model_news.last()
    if _is_decided(begun=before is not None):
        stand_down()
        return
    plan = switching.plan_space(SUGGESTED)
    try:
        _switch(plan, say)
    except WeightsMissingError as exc:
        _stop("offline", plan.slug, str(exc), before, say)
    except (VisionError, CollectionError) as exc:
        _stop("failed", plan.slug, str(exc), before, say)


def _switch(plan: switching.SpacePlan, say: Say) -> None:
    fetch_files(plan.files, space=plan.slug, say=say)
    if switching.find_space(plan.slug) is None:
        model_news.tell(ModelNews("trying", plan.slug))
        switching.rehearse(plan)
        registry.forget_made()  # the workers have their own
        gc.collect()
    space = switching.start_space(plan)
    say(f"{plan.slug} is filled beside the space in use, which goes on answering")
    fill(space, say=say)
    model_news.tell(ModelNews("done", plan.slug))
    say(f"Searches use {plan.slug} now; `manage.py models activate {settings.DEFAULT_SPACE}` goes back")
    if refused := switching.tell_refused(space):
        say(refused)


def fetch_files(files: Iterable[WeightFile], *, space: str, say: Say) -> None:
    """Fetch what is not here; raises as `weights.fetch` does."""
    for file in files:
        if not weights.is_present(file):
            meter = _Meter("fetching", space, file.name, "MB", 1e6, say)
            weights.fetch(file, progress=meter.note)


def fill(space: EmbeddingSpace, *, say: Say) -> None:
    """Wait until the workers have described all photos in the space, and swap it in."""
    meter = _Meter("building", space.slug, space.slug, "photos", 1, say)
    total = 0
    while not switching.try_swap(space):
        left = remaining_photos(space)
        total = max(total, left)
        meter.note(total - left, total)
        time.sleep(_LOOK_EVERY_S)
    if total:
        meter.note(total, total)


def stand_down() -> None:
    """Leave it to people from now on: one of them chooses the space."""
    model_news.tell(ModelNews("done", SUGGESTED))


def _is_decided(*, begun: bool) -> bool:
    """Say whether a person saw to it: learned models are in use, on their way unless we began it, or were retired."""
    ours = Q(slug=SUGGESTED, state=SpaceState.BUILDING)
    learned = EmbeddingSpace.objects.exclude(ours) if begun else EmbeddingSpace.objects.all()
    retired = Q(slug=SUGGESTED, state=SpaceState.RETIRED)
    specs = learned.exclude(state=SpaceState.RETIRED).values_list("spec", flat=True)
    return EmbeddingSpace.objects.filter(retired).exists() or any(spec.get("weights") for spec in specs)


def _stop(stage: model_news.Stage, space: str, reason: str, before: ModelNews | None, say: Say) -> None:
    """Tell why it does not go on, once for the same reason, however often it is tried again."""
    model_news.tell(ModelNews(stage, space, what=reason))
    if before is None or (before.stage, before.what) != (stage, reason):
        say(reason)
        say(f"The site goes on without; `manage.py models activate {space}` switches later")


class _Meter:
    """Progress as lines of text now and then, and as news for the site."""

    def __init__(self, stage: model_news.Stage, space: str, what: str, unit: str, size: float, say: Say) -> None:
        self._news = ModelNews(stage, space, what=what)
        self._unit, self._size, self._say = unit, size, say
        self._began, self._first = time.monotonic(), -1
        self._told_at, self._said_at, self._said = -_SAY_EVERY_S, -_SAY_EVERY_S, ""

    def note(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first < 0:
            self._first = done
        if now - self._told_at < _LOOK_EVERY_S and done != total:
            return
        self._told_at = now
        rate = (done - self._first) / max(now - self._began, 1e-3)
        left_s = (total - done) / rate if rate else 0.0
        model_news.tell(
            ModelNews(self._news.stage, self._news.space, what=self._news.what, done=done, total=total, left_s=left_s)
        )
        text = self._text(done, total, left_s)
        if (now - self._said_at >= _SAY_EVERY_S or done == total) and text != self._said:
            self._said_at, self._said = now, text
            self._say(text)

    def _text(self, done: int, total: int, left_s: float) -> str:
        filled = _BAR * done // total if total else 0
        left = f", about {left_s / 60:.0f} min left" if left_s >= 60 else ""
        counts = f"{done / self._size:.0f} of {total / self._size:.0f} {self._unit}"
        return f"[{'#' * filled}{'-' * (_BAR - filled)}] {self._news.what}: {counts}{left}"
