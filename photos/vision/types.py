"""Plain values that travel between the stages of vision; no Django, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""An upright picture: (H, W, 3) uint8, RGB order, rows top to bottom."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright image; `x`, `y` is the top left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True, eq=False)
class SegmentMask:
    """One segment of a picture.

    `mask` is (H, W) bool over the upright image, `box` its bounding box, `area` the number of true pixels.
    Where a reduced copy was described, the mask has the copy's resolution, box and area the original's.
    `predicted_iou` and `stability_score` are in 0..1 (1.0 where a segmenter has no such notion).
    """

    mask: NDArray[np.bool_]
    box: Box
    area: int
    predicted_iou: float = 1.0
    stability_score: float = 1.0


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file of pretrained weights and where it comes from; `sha256` is hexadecimal, `size` in bytes."""

    name: str
    url: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What an embedding space is made with: anything here that changes a vector is a new slug or version.

    `has_text` says that the encoder is a `TextEncoder`, so that nothing needs to be loaded to know it.
    """

    slug: str
    version: int
    dimensions: int
    input_size: int
    preprocessing: str
    weights: tuple[WeightFile, ...] = ()
    license: str = ""
    paper_url: str = ""
    has_text: bool = False


@dataclass(frozen=True, slots=True)
class TagScore:
    """A tag's slug with its score in 0..1."""

    slug: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class LocalFeatures:
    """Keypoints with RootSIFT descriptors, strongest first.

    `keypoints` is (N, 2) float32, x then y in pixels of the upright image of size `image_size`
    (width, height); `descriptors` is (N, 128) uint8, round(512 * RootSIFT) clipped to 255.
    """

    keypoints: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    image_size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.keypoints)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentDescription:
    """A segment with its embedding, (D,) float32 of unit norm, and its tags."""

    segment: SegmentMask
    embedding: NDArray[np.float32]
    tags: tuple[TagScore, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ImageDescription:
    """All that vision says about one picture.

    `embedding` is (D,) float32 of unit norm, or None for a picture with nothing to describe (a blank one):
    a zero or NaN vector is never produced.
    """

    embedding: NDArray[np.float32] | None
    segments: tuple[SegmentDescription, ...] = ()
    local_features: LocalFeatures | None = None
    tags: tuple[TagScore, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of matching two pictures' local features geometrically.

    `fundamental_inliers` and `homography_inliers` count the agreeing pairs; `points` holds up to 100 inlier
    pairs `(x1, y1, x2, y2)` in pixels of the two upright images; `p_same` in 0..1 is the prior probability
    that both show the same place; `level` is "confirmed", "possible" or "none".
    """

    fundamental_inliers: int
    homography_inliers: int
    p_same: float
    level: str
    points: tuple[tuple[float, float, float, float], ...] = field(default=(), repr=False)


class Encoder(Protocol):
    """Pictures to vectors: (N, D) float32 of unit norm, D = spec.dimensions."""

    spec: EncoderSpec

    def encode(self, images: Sequence[Image]) -> list[NDArray[np.float32] | None]:
        """Return one (D,) vector per picture, None where there is nothing to describe."""
        ...

    def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[NDArray[np.float32] | None]:
        """Return one (D,) vector per segment of `image`, None where there is nothing to describe."""
        ...


@runtime_checkable
class BatchEncoder(Encoder, Protocol):
    """An encoder that is faster when it gets a picture and its segments together."""

    def encode_all(
        self, image: Image, segments: Sequence[SegmentMask]
    ) -> tuple[NDArray[np.float32] | None, list[NDArray[np.float32] | None]]:
        """Return the picture's (D,) vector, None for a blank one, and one per segment."""
        ...


class TextEncoder(Encoder, Protocol):
    """An encoder with a text tower in the same space."""

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (N, D) float32 of unit norm."""
        ...


class Segmenter(Protocol):
    """Pictures to segments, best first."""

    slug: str

    def segment(self, image: Image) -> list[SegmentMask]: ...
