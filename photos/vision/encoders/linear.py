"""An encoder with a linear layer behind it: a space of its own, for pictures, segments and words alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from photos.vision import registry
from photos.vision.adaptation import LinearLayer, adapted_spec, read_layer
from photos.vision.errors import UnknownModelError, VisionError
from photos.vision.types import BatchEncoder, EncoderSpec, Image, SegmentMask, TextEncoder

TARGET: Final = f"{__name__}:LinearEncoder"

_KNOWN: Final[dict[str, tuple[str, Path]]] = {}
_SEEN: Final[set[tuple[str, Path, int]]] = set()


def register_adapted(encoder: str, layer: Path) -> EncoderSpec:
    """Make an encoder with the layer of a file behind it known to the registry, and return its spec.

    Raises `UnknownModelError`, `WeightsMissingError`, `WeightsCorruptError`, and `InterchangeError` where they do
    not fit together.
    """
    spec = adapted_spec(registry.get_spec(encoder), read_layer(layer))
    _KNOWN[spec.slug] = (encoder, layer)
    registry.register_encoder(spec, TARGET)
    return spec


def register_configured(pairs: Sequence[str]) -> None:
    """Register the layers of the configuration, "encoder=file" each, that are not known as they are now."""
    for pair in pairs:
        encoder, _equals, name = pair.partition("=")
        path = Path(name).expanduser().absolute()
        seen = (encoder, path, path.stat().st_mtime_ns if path.is_file() else 0)
        if seen not in _SEEN:
            _SEEN.add(seen)
            try:
                register_adapted(encoder, path)
            except VisionError:
                _SEEN.discard(seen)
                raise


class LinearEncoder:
    """What the encoder says, adapted. A blank picture has no vector still."""

    def __init__(self, spec: EncoderSpec) -> None:
        if spec.slug not in _KNOWN:
            raise UnknownModelError(f"no layer was registered for {spec.slug!r}")
        self.spec = spec
        encoder, path = _KNOWN[spec.slug]
        self._layer: LinearLayer = read_layer(path)
        if adapted_spec(registry.get_spec(encoder), self._layer).slug != spec.slug:
            raise UnknownModelError(f"{path} is another layer now than {spec.slug!r} was made with")
        self._encoder = registry.get_encoder(encoder)

    def encode(self, images: Sequence[Image]) -> list[NDArray[np.float32] | None]:
        """Return one (E,) vector per picture, None where there is nothing to describe."""
        return self._adapt(self._encoder.encode(images))

    def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[NDArray[np.float32] | None]:
        """Return one (E,) vector per segment, None where there is nothing to describe."""
        return self._adapt(self._encoder.encode_segments(image, segments))

    def encode_all(
        self, image: Image, segments: Sequence[SegmentMask]
    ) -> tuple[NDArray[np.float32] | None, list[NDArray[np.float32] | None]]:
        """Return the picture's (E,) vector, None for a blank one, and one per segment."""
        if isinstance(self._encoder, BatchEncoder):
            whole, parts = self._encoder.encode_all(image, segments)
        else:
            whole = self._encoder.encode([image])[0]
            parts = [] if whole is None else self._encoder.encode_segments(image, segments)
        return self._adapt([whole])[0], self._adapt(parts)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (N, E) float32 of unit norm; raises `UnknownModelError` where the encoder has no text tower."""
        if not self.spec.has_text:
            raise UnknownModelError(f"{self.spec.slug!r} knows no words")
        return self._layer.apply(cast("TextEncoder", self._encoder).encode_text(texts))

    def _adapt(self, vectors: Sequence[NDArray[np.float32] | None]) -> list[NDArray[np.float32] | None]:
        there = [vector for vector in vectors if vector is not None]
        adapted = iter(self._layer.apply(np.stack(there)) if there else ())
        return [None if vector is None else next(adapted) for vector in vectors]
