"""Spaces whose segments are described by mask inversion; importing it loads nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from photos.vision.errors import UnknownModelError
from photos.vision.types import EncoderSpec

INVERTED: Final = "+mi"
"""The suffix of a slug whose segments are described by mask inversion."""

MAX_STEPS: Final = 10_000
MAX_ALPHA: Final = 100.0


@dataclass(frozen=True, slots=True)
class MaskInversion:
    """The settings, by their names in SoIR.

    `mi_alpha` holds the embedding near the global feature; `mi_steps` of AdamW are made.
    """

    mi_alpha: float = 0.03
    mi_steps: int = 100

    @property
    def suffix(self) -> str:
        """What an encoder's slug is extended by: each setting has one spelling."""
        return INVERTED if self == MaskInversion() else f"{INVERTED}-{self.mi_steps}-{self.mi_alpha:g}"


def inverted(spec: EncoderSpec, *, mi_alpha: float = 0.03, mi_steps: int = 100) -> EncoderSpec:
    """Return the space of the same encoder with segments by mask inversion; its settings are in the slug."""
    how = f"segments by mask inversion, mi_steps {mi_steps}, mi_alpha {mi_alpha:g}, on the picture fitted to the square"
    whole = spec.preprocessing.split(";")[0]
    slug = f"{spec.slug}{MaskInversion(mi_alpha, mi_steps).suffix}"
    return replace(spec, slug=slug, preprocessing=f"{whole}; {how}")


def settings_of(slug: str) -> MaskInversion:
    """Return the mask inversion of a slug as `inverted` writes it; raises `UnknownModelError` for one it never does."""
    plain, _mark, rest = slug.partition(INVERTED)
    if not rest:
        return MaskInversion()
    if found := re.fullmatch(r"-([0-9]{1,5})-([0-9]+(?:[.][0-9]+)?(?:e-[0-9]+)?)", rest):
        settings = MaskInversion(mi_steps=int(found[1]), mi_alpha=float(found[2]))
        allowed = 1 <= settings.mi_steps <= MAX_STEPS and settings.mi_alpha <= MAX_ALPHA
        if allowed and settings.suffix == INVERTED + rest:
            return settings
    raise UnknownModelError(
        f"unknown mask inversion {slug!r}; write {plain}{INVERTED}, or {plain}{INVERTED}-STEPS-ALPHA with 1 to"
        f" {MAX_STEPS} steps (mi_steps) and an mi_alpha of 0 to {MAX_ALPHA:g}, both in the shortest spelling and not"
        f" the default -100-0.03, as in {plain}{INVERTED}-20-0.5"
    )
