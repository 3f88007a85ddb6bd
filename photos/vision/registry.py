"""Which encoders and segmenters there are, imported on use and made once per process."""

from __future__ import annotations

import importlib
import threading
from typing import Any, Final, cast

from photos.vision import configuration
from photos.vision.encoders import classical_spec, dinov2_spec, lora, open_clip_listed, open_clip_models
from photos.vision.encoders.inverted_spec import INVERTED, inverted, settings_of
from photos.vision.errors import UnknownModelError
from photos.vision.segmenters import owlv2_weights
from photos.vision.types import Encoder, EncoderSpec, Segmenter

DEFAULT_ENCODER: Final = "classical-512"

_OPEN_CLIP: Final = "photos.vision.encoders.open_clip:OpenClipEncoder"
_OPEN_CLIP_INVERTING: Final = "photos.vision.encoders.open_clip:InvertingOpenClipEncoder"
_DINOV2: Final = "photos.vision.encoders.dinov2:DinoV2Encoder"

_PLAIN: Final = {
    classical_spec.SPEC: "photos.vision.encoders.classical:ClassicalEncoder",
    **{model.spec: _OPEN_CLIP for model in open_clip_models.MODELS.values()},
    **dict.fromkeys(dinov2_spec.SPECS.values(), _DINOV2),
}
_INVERTING: Final = {
    **{inverted(model.spec): _OPEN_CLIP_INVERTING for model in open_clip_models.MODELS.values()},
    **{inverted(spec): _DINOV2 for spec in dinov2_spec.SPECS.values()},
}

DEFAULT_SEGMENTER: Final[dict[str, str]] = {classical_spec.SPEC.slug: "windows"}
"""The segmenter that goes with an encoder's slug, chosen by measured retrieval quality."""

_ENCODERS: Final[dict[str, tuple[EncoderSpec, str]]] = {
    spec.slug: (spec, target) for spec, target in (_PLAIN | _INVERTING).items()
}
_SEGMENTERS: Final[dict[str, str]] = {
    **dict.fromkeys(owlv2_weights.SAM_OF, "photos.vision.segmenters.owlv2:Owlv2SamSegmenter"),
    "regions": "photos.vision.segmenters.regions:RegionSegmenter",
    "sam-vit-b": "photos.vision.segmenters.sam:SamSegmenter",
    "sam-vit-h": "photos.vision.segmenters.sam:SamSegmenter",
    "sam-vit-l": "photos.vision.segmenters.sam:SamSegmenter",
    "windows": "photos.vision.segmenters.windows:WindowSegmenter",
}

_made: Final[dict[tuple[str, str], Any]] = {}
_making: Final = threading.RLock()


def encoder_slugs() -> list[str]:
    """Return the slugs of all encoders, sorted; raises `UnknownModelError` for a wrong one in the configuration."""
    _register_configured()
    return sorted(_ENCODERS)


def segmenter_slugs() -> list[str]:
    """Return the slugs of all segmenters, sorted."""
    return sorted(_SEGMENTERS)


def register_encoder(spec: EncoderSpec, target: str) -> None:
    """Make an encoder known; `target` is "module:Class", called with the spec on first use."""
    with _making:
        _ENCODERS[spec.slug] = (spec, target)
        _made.pop(("encoder", spec.slug), None)


def register_segmenter(slug: str, target: str) -> None:
    """Make a segmenter known; `target` is "module:Class", called with the slug on first use."""
    with _making:
        _SEGMENTERS[slug] = target
        _made.pop(("segmenter", slug), None)


def get_spec(slug: str) -> EncoderSpec:
    """Return an encoder's spec without loading it; raises `UnknownModelError`."""
    return _encoder_entry(slug)[0]


def get_encoder(slug: str = DEFAULT_ENCODER) -> Encoder:
    """Return the encoder, loaded once per process; raises `UnknownModelError`."""
    spec, target = _encoder_entry(slug)
    return cast("Encoder", _make_once("encoder", slug, target, spec))


def get_segmenter(slug: str) -> Segmenter:
    """Return the segmenter, loaded once per process; raises `UnknownModelError`."""
    if slug not in _SEGMENTERS:
        raise UnknownModelError(f"unknown segmenter {slug!r}; known: {', '.join(segmenter_slugs())}")
    return cast("Segmenter", _make_once("segmenter", slug, _SEGMENTERS[slug], slug))


def forget_made() -> None:
    """Make every encoder and segmenter anew on its next use: with other weights, or another configuration."""
    with _making:
        _made.clear()


def default_segmenter(encoder_slug: str) -> str:
    """Return the slug of the segmenter that goes with an encoder: the configured SAM for one with weights."""
    if encoder_slug in DEFAULT_SEGMENTER:
        return DEFAULT_SEGMENTER[encoder_slug]
    entry = _find_entry(encoder_slug)
    if entry and entry[0].weights:
        return f"sam-{configuration.current().sam_model_type}".replace("_", "-")
    return "regions"


def _register_configured() -> None:
    """Make the configuration's own encoders known; open_clip is imported only where some of its are named."""
    for pair in configuration.current().open_clip_models:
        name, _colon, tag = pair.partition(":")
        if open_clip_listed.slug_of(name, tag) not in _ENCODERS:
            _register_open_clip(open_clip_listed.register_open_clip(name, tag))
    if (adapter := lora.configured_lora()) is not None:
        _register_adapted(adapter)
    if pairs := configuration.current().linear_adaptations:
        from photos.vision.encoders import linear  # which asks this module for the encoders

        linear.register_configured(pairs)


def _register_open_clip(model: open_clip_models.ClipModel) -> None:
    register_encoder(model.spec, _OPEN_CLIP)
    if model.inverts:
        register_encoder(inverted(model.spec), _OPEN_CLIP_INVERTING)


def _register_adapted(adapter: lora.Lora) -> None:
    for plain in dinov2_spec.SPECS.values():
        spec = lora.adapted(plain, adapter)
        if spec.slug not in _ENCODERS and lora.fits(adapter, width=plain.dimensions):
            register_encoder(spec, _DINOV2)
            register_encoder(inverted(spec), _DINOV2)


def _encoder_entry(slug: str) -> tuple[EncoderSpec, str]:
    if (entry := _find_entry(slug)) is None:
        raise UnknownModelError(f"unknown encoder {slug!r}; known: {', '.join(encoder_slugs())}")
    return entry


def _find_entry(slug: str) -> tuple[EncoderSpec, str] | None:
    """Return None for an unknown encoder; raises `UnknownModelError` for wrong settings of mask inversion."""
    plain, mark, settings = slug.partition(INVERTED)
    default = slug if settings.startswith("+") else plain + mark
    if default not in _ENCODERS:
        _register_configured()
    if default == slug or default not in _ENCODERS:
        return _ENCODERS.get(slug)
    own = settings_of(slug)
    spec = inverted(_ENCODERS[plain][0], mi_alpha=own.mi_alpha, mi_steps=own.mi_steps)
    return spec, _ENCODERS[default][1]


def _make_once(kind: str, slug: str, target: str, argument: object) -> object:
    """Import and call `target` under a lock: two threads never load the same weights twice."""
    with _making:
        if (kind, slug) not in _made:
            module, name = target.split(":")
            _made[kind, slug] = getattr(importlib.import_module(module), name)(argument)
        return _made[kind, slug]
