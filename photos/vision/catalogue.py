"""What each known model needs on this machine, told without loading any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from photos.vision import registry, weights
from photos.vision.encoders.inverted_spec import INVERTED
from photos.vision.errors import UnknownModelError
from photos.vision.segmenters import owlv2_weights, sam_weights
from photos.vision.types import WeightFile

_SAM_WEIGHTS: Final = {
    f"sam-{model_type.replace('_', '-')}": (file,) for model_type, file in sam_weights.WEIGHTS.items()
}
_SEGMENTER_WEIGHTS: Final = {
    **_SAM_WEIGHTS,
    **{slug: (owlv2_weights.WEIGHTS, *_SAM_WEIGHTS[sam]) for slug, sam in owlv2_weights.SAM_OF.items()},
}


@dataclass(frozen=True, slots=True)
class KnownModel:
    """An encoder or a segmenter; `dimensions` is 0 for a segmenter."""

    slug: str
    kind: Literal["encoder", "segmenter"]
    dimensions: int
    license: str
    weights: tuple[WeightFile, ...]

    @property
    def missing(self) -> list[WeightFile]:
        return missing(self.weights)


def known_models() -> list[KnownModel]:
    """Return all encoders, then all segmenters, each by slug."""
    return [*map(_encoder, registry.encoder_slugs()), *map(_segmenter, registry.segmenter_slugs())]


def find_model(slug: str) -> KnownModel:
    """Return the encoder or segmenter of that slug; raises `UnknownModelError`."""
    for model in known_models():
        if model.slug == slug:
            return model
    if INVERTED in slug:  # with settings of its own
        return _encoder(slug)
    raise UnknownModelError(f"unknown model {slug!r}; known: {', '.join(one.slug for one in known_models())}")


def files_of(name: str) -> tuple[WeightFile, ...]:
    """Return the weight files of a model's slug, or the one file of that name; raises `UnknownModelError`."""
    named = {file.name: file for model in known_models() for file in model.weights}
    return (named[name],) if name in named else find_model(name).weights


def files_for_space(encoder: str, segmenter: str) -> tuple[WeightFile, ...]:
    """Return the files that describing pictures takes; raises `UnknownModelError`."""
    return (*registry.get_spec(encoder).weights, *files_of_segmenter(segmenter))


def files_of_segmenter(slug: str) -> tuple[WeightFile, ...]:
    """Return the weight files of a segmenter; raises `UnknownModelError`."""
    if slug not in registry.segmenter_slugs():
        raise UnknownModelError(f"unknown segmenter {slug!r}; known: {', '.join(registry.segmenter_slugs())}")
    return _SEGMENTER_WEIGHTS.get(slug, ())


def missing(files: Iterable[WeightFile]) -> list[WeightFile]:
    """Return those that are not on this machine."""
    return [file for file in files if not weights.is_present(file)]


def _encoder(slug: str) -> KnownModel:
    spec = registry.get_spec(slug)
    return KnownModel(slug, "encoder", spec.dimensions, spec.license, spec.weights)


def _segmenter(slug: str) -> KnownModel:
    files = _SEGMENTER_WEIGHTS.get(slug, ())
    return KnownModel(slug, "segmenter", 0, "Apache-2.0" if files else "", files)
