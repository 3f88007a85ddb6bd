"""What a calibration would change, in words and in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from search.telling_accuracy import metres, percent


@dataclass(frozen=True, slots=True)
class Change:
    """One value, with and without the calibration; `is_figure` says that it was measured, not set."""

    name: str
    before: str
    after: str
    is_figure: bool = False


def tell_changes(fit: dict[str, Any]) -> list[Change]:
    """Return the figures that the trials have by either prior, then the values of the priors themselves."""
    return [*_figures(fit), *_values(fit)]


def _figures(fit: dict[str, Any]) -> Iterator[Change]:
    names = {
        "answered": _("get an answer"),
        "near": _("of the answers are within 100 m"),
        "held": _("of the circles hold the true place (they claim 90 %)"),
        "refused": _("of the places that are not here are refused"),
    }
    before, after = (fit[side]["figures"] for side in ("before", "after"))
    for key, name in names.items():
        yield Change(name, percent(before[key]), percent(after[key]), is_figure=True)


def _values(fit: dict[str, Any]) -> Iterator[Change]:
    before, after = (fit[side]["prior"] for side in ("before", "after"))
    levels = {
        "several": _("circle where several photos confirm the place"),
        "strong": _("circle where one does, overwhelmingly"),
        "single": _("circle where one does"),
    }
    for level, name in levels.items():
        yield Change(name, metres(before["radii_m"][level]), metres(after["radii_m"][level]))
    yield Change(_("at least this share of the photos' scatter"), *_decimals(before, after, "scatter_share"))
    yield Change(_("least probability of an answer"), *_decimals(before, after, "threshold"))
    yield Change(_("further photos of a place count to the power of"), *_decimals(before, after, "independence"))
    weights = (_("same place: start"), _("per ln(1 + fundamental inliers)"), _("per ln(1 + homography inliers)"))
    for name, old, new in zip(weights, before["same_place"], after["same_place"], strict=True):
        yield Change(name, f"{old:.2f}", f"{new:.2f}")


def _decimals(before: dict[str, Any], after: dict[str, Any], name: str) -> tuple[str, str]:
    return f"{before[name]:.3f}", f"{after[name]:.3f}"
