"""Windows of pictures to vectors: read ahead in threads, described in batches of one size.

This is the whole of what is done with a picture, the same in this process and in a cluster's actors.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from photos.vision.bulk.backbones import Backbone, LocalBackbone, LocalDescriptors, Vectors
from photos.vision.bulk.recipe import Recipe
from photos.vision.bulk.sources import Entry
from photos.vision.encoders.crops import is_blank
from photos.vision.errors import ImageRefused
from photos.vision.images import DEFAULT_LIMITS, read_image

Refusal: TypeAlias = tuple[str, str, str]
"""An id, what is wrong with its picture, and the same as a word for programs."""

_AHEAD: Final = 2
"""Windows' worth of pictures that may wait in memory, the one that is being described among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """Some pictures of a window: `vectors` is (N, D) float32, or one `LocalDescriptors` each."""

    window: int
    ids: list[str]
    vectors: Vectors | list[LocalDescriptors]
    refused: list[Refusal]


@dataclass(frozen=True, slots=True)
class Window:
    """Entries that follow one another, with a number of their own."""

    number: int
    entries: Sequence[Entry]


def describe_windows(
    backbone: Backbone, recipe: Recipe, windows: Iterable[Window], *, readers: int = 0
) -> Iterator[Described]:
    """Yield each window's pictures batch by batch, in the windows' order, reading ahead in `readers` threads."""
    waiting: deque[tuple[Window, list[Future[NDArray[Any]]]]] = deque()
    remaining = iter(windows)
    with ThreadPoolExecutor(readers or available_cpus(), thread_name_prefix="read") as pool:
        try:
            while True:
                while len(waiting) < _AHEAD and (window := next(remaining, None)) is not None:
                    reading = [pool.submit(_prepare, one, backbone, recipe) for one in window.entries]
                    waiting.append((window, reading))
                if not waiting:
                    return
                yield from _describe_window(backbone, recipe, *waiting.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepare(entry: Entry, backbone: Backbone, recipe: Recipe) -> NDArray[Any]:
    data = entry.read(DEFAULT_LIMITS.max_bytes)
    image = read_image(data, max_side=recipe.max_side or None)
    if is_blank(image.pixels):
        raise ImageRefused("The picture is blank: there is nothing to describe.", code="blank")
    return backbone.prepare(image)


def _describe_window(
    backbone: Backbone, recipe: Recipe, window: Window, reading: list[Future[NDArray[Any]]]
) -> Iterator[Described]:
    """Yield what was refused, then batches: by size, each size in the window's order.

    Which pictures share a batch depends on nothing else, so that a window that is taken up again where a size's
    batches were written gives the same vectors.
    """
    sizes: dict[tuple[int, ...], list[tuple[str, NDArray[Any]]]] = {}
    refused: list[Refusal] = []
    for entry, future in zip(window.entries, reading, strict=True):
        try:
            prepared = future.result()
            sizes.setdefault(prepared.shape, []).append((entry.id, prepared))
        except (ImageRefused, OSError) as exc:
            refused.append((entry.id, str(exc), getattr(exc, "code", "unreadable")))
    reading.clear()
    if refused:
        yield Described(window.number, [], np.zeros((0, 0), np.float32), refused)
    for group in sizes.values():
        for start in range(0, len(group), recipe.batch):
            some = group[start : start + recipe.batch]
            yield Described(window.number, [one for one, _ in some], _describe(backbone, recipe, some), [])


def _describe(
    backbone: Backbone, recipe: Recipe, some: list[tuple[str, NDArray[Any]]]
) -> Vectors | list[LocalDescriptors]:
    stacked = np.stack([prepared for _, prepared in some])
    if recipe.descriptors == "local":
        return cast("LocalBackbone", backbone).describe_places(stacked)
    return backbone.describe(stacked)


def cut_windows(entries: Sequence[Entry], size: int, *, done: frozenset[str] | set[str]) -> Iterator[Window]:
    """Yield windows of `size` entries without those that are `done`; a window's place never depends on them."""
    for number, start in enumerate(range(0, len(entries), size)):
        left = [one for one in entries[start : start + size] if one.id not in done]
        if left:
            yield Window(number, left)
