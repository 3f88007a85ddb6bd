"""This process as the engine: one backbone, read ahead of in threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from functools import cached_property

from photos.vision.bulk.backbones import Backbone, TextBackbone, load_backbone, load_text_backbone
from photos.vision.bulk.recipe import Recipe
from photos.vision.bulk.stage import Described, Refusal, Window, describe_windows

_LONGEST_TEXT = 64 * 1024


class LocalEngine:
    """Describes pictures here; the model is loaded with the first of them."""

    round_pictures = 1

    def __init__(self, recipe: Recipe, *, readers: int = 0) -> None:
        self._recipe, self._readers = recipe, readers

    def describe(self, windows: Iterable[Window]) -> Iterator[Described]:
        return describe_windows(self._backbone, self._recipe, windows, readers=self._readers)

    def close(self) -> None:
        """There is nothing to close."""

    @cached_property
    def _backbone(self) -> Backbone:
        return load_backbone(self._recipe)


class TextEngine:
    """Describes texts: each entry is a file of one, in UTF-8."""

    round_pictures = 1

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = dataclasses.replace(recipe, descriptors="text")

    def describe(self, windows: Iterable[Window]) -> Iterator[Described]:
        for window in windows:
            texts: dict[str, str] = {}
            refused: list[Refusal] = []
            for entry in window.entries:
                try:
                    texts[entry.id] = entry.read(_LONGEST_TEXT).decode("utf-8")
                except (OSError, UnicodeDecodeError) as exc:
                    refused.append((entry.id, str(exc), "unreadable"))
            yield Described(window.number, list(texts), self._backbone.describe_texts(list(texts.values())), refused)

    def close(self) -> None:
        """There is nothing to close."""

    @cached_property
    def _backbone(self) -> TextBackbone:
        return load_text_backbone(self._recipe)
