"""`classical-512`: a picture in 512 numbers without any learned network.

RootSIFT-VLAD (Jegou et al., CVPR 2010; intra-normalised as in Arandjelovic and Zisserman, CVPR 2013) in 384
numbers, a histogram of colour in 64 and one of gradients in 64. Everything is a sum over keypoints or pixels,
so a segment is described by the same code as a picture, restricted to its mask.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.vision.encoders.classical_spec import SPEC
from photos.vision.masks import Mask, resize_mask
from photos.vision.matching.features import Detections, detect
from photos.vision.types import EncoderSpec, Image, SegmentMask

Vector: TypeAlias = NDArray[np.float32]

CONSTANTS_FILE: Final = "classical-512.npz"

PART_WEIGHTS: Final = (0.7, 0.15, 0.15)
"""Shares of VLAD, colour and gradients in the cosine of two pictures; they sum to 1."""

_MAX_KEYPOINTS: Final = 1500
_LEAST_SIZE: Final = 2.4
"""Keypoints of a smaller diameter (working pixels) are mostly noise."""
_DENSE_SIDE: Final = 256
"""Colour and gradients are read from a copy of this many pixels a side at most."""

_CELLS: Final = 4
_ORIENTATIONS: Final = 4
_HUES, _SATURATIONS, _VALUES = 8, 4, 2

_LEAST_GRADIENT: Final = 1.0
"""Mean gradient, in grey levels a pixel, under which a surface counts as blank."""


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """What was learned: the PCA's `mean` (128,) and half-whitened `axes` (24, 128), the `words` (16, 24), and
    what an average picture has of each part: `vlad_mean` (384,), `colour_mean` (64,), `gradient_mean` (64,).
    """

    mean: Vector
    axes: Vector
    words: Vector
    vlad_mean: Vector
    colour_mean: Vector
    gradient_mean: Vector


@functools.cache
def load_constants() -> Constants:
    """Return the constants that ship with the package."""
    with resources.files(__package__).joinpath(CONSTANTS_FILE).open("rb") as file, np.load(file) as arrays:
        return Constants(**arrays)


class ClassicalEncoder:
    """The encoder that needs no weights: about 0.2 s a photo on one core."""

    def __init__(self, spec: EncoderSpec = SPEC, *, constants: Constants | None = None) -> None:
        self.spec = spec
        self._constants = constants or load_constants()

    def encode(self, images: Sequence[Image]) -> list[Vector | None]:
        """Return one (512,) vector per picture, None for a blank one."""
        return [self._view(image).describe(None) for image in images]

    def encode_segments(self, image: Image, segments: Sequence[SegmentMask]) -> list[Vector | None]:
        """Return one (512,) vector per segment of `image`, None for a blank one."""
        if not segments:
            return []
        view = self._view(image)
        return [view.describe(segment.mask) for segment in segments]

    def _view(self, image: Image) -> View:
        return View(detect(image), self._constants)


class View:
    """One picture, ready to be summed over as a whole or over a mask."""

    def __init__(self, found: Detections, constants: Constants) -> None:
        self._constants = constants
        height, width = found.picture.shape[:2]
        kept = keypoints_that_count(found)
        self._places = np.asarray((found.points[kept] + 0.5) / (width, height), np.float32)
        self._words, residuals = assign_words(found.descriptors[kept], constants)
        # A larger keypoint is more likely to be found again.
        self._residuals = residuals * np.sqrt(found.sizes[kept, None])
        dense = _reduced(found.picture)
        self._colours = _colour_bins(dense)
        self._orientations, self._magnitudes = _gradients(dense)

    def describe(self, mask: Mask | None) -> Vector | None:
        """Return the unit vector of the picture or of what `mask` (at any resolution) covers."""
        parts = self.parts(mask)
        if parts[0] is None and parts[2] is None:
            return None
        constants = self._constants
        means = (constants.vlad_mean, constants.colour_mean, constants.gradient_mean)
        weighted = [
            np.zeros_like(mean) if part is None else _unit_or_zero(part - mean) * np.float32(share**0.5)
            for part, mean, share in zip(parts, means, PART_WEIGHTS, strict=True)
        ]
        return _unit(np.concatenate(weighted))

    def parts(self, mask: Mask | None) -> tuple[Vector | None, Vector | None, Vector | None]:
        """Return VLAD (384,), colour (64,) and gradients (64,), each of unit norm or None, means not taken."""
        return self._vlad(mask), *self._dense(mask)

    def _vlad(self, mask: Mask | None) -> Vector | None:
        inside = slice(None) if mask is None else _covers(mask, self._places)
        return vlad_of(self._words[inside], self._residuals[inside], len(self._constants.words))

    def _dense(self, mask: Mask | None) -> tuple[Vector | None, Vector | None]:
        covered = None if mask is None else resize_mask(mask, _shape(self._colours))
        if covered is not None and not covered.any():
            return None, None
        return self._colour(covered), self._gradient(covered)

    def _colour(self, covered: Mask | None) -> Vector | None:
        bins = self._colours if covered is None else self._colours[covered]
        counts = np.bincount(bins.ravel(), minlength=_HUES * _SATURATIONS * _VALUES)
        return _unit(np.sqrt(counts, dtype=np.float32))

    def _gradient(self, covered: Mask | None) -> Vector | None:
        rows, columns = _bounds(covered, _shape(self._magnitudes))
        magnitudes = self._magnitudes[rows, columns]
        orientations = self._orientations[rows, columns]
        if covered is not None:
            magnitudes = magnitudes * covered[rows, columns]
        pixels = magnitudes.size if covered is None else np.count_nonzero(covered)
        if magnitudes.sum() < _LEAST_GRADIENT * pixels:
            return None
        bins = _cells(_shape(magnitudes)) * _ORIENTATIONS + orientations
        sums = np.bincount(bins.ravel(), magnitudes.ravel(), minlength=_CELLS**2 * _ORIENTATIONS)
        return _unit(np.sqrt(sums).astype(np.float32))


def keypoints_that_count(found: Detections) -> NDArray[np.intp]:
    """Return the indices of the 1500 strongest keypoints that are not too small."""
    return np.flatnonzero(found.sizes >= _LEAST_SIZE)[:_MAX_KEYPOINTS]


def assign_words(descriptors: Vector, constants: Constants) -> tuple[NDArray[np.intp], Vector]:
    """Return each (N, 128) RootSIFT's nearest word, (N,), and its residual from it, (N, 24)."""
    reduced = (descriptors - constants.mean) @ constants.axes.T
    words = constants.words
    distances = (words**2).sum(axis=1) - 2.0 * (reduced @ words.T)
    nearest = distances.argmin(axis=1)
    return nearest, np.asarray(reduced - words[nearest], np.float32)


def vlad_of(nearest: NDArray[np.intp], residuals: Vector, word_count: int) -> Vector | None:
    """Return the VLAD, (words * axes,) of unit norm, its mean not taken; None without keypoints."""
    if not len(nearest):
        return None
    sums = np.zeros((word_count, residuals.shape[1]), np.float32)
    np.add.at(sums, nearest, residuals)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    sums /= np.maximum(norms, 1e-9)
    return _unit((np.sign(sums) * np.sqrt(np.abs(sums))).ravel())


def _unit(vector: Vector) -> Vector | None:
    norm = float(np.linalg.norm(vector))
    return np.asarray(vector / norm, np.float32) if norm > 1e-6 else None


def _unit_or_zero(vector: Vector) -> Vector:
    unit = _unit(vector)
    return np.zeros_like(vector) if unit is None else unit


def _shape(array: NDArray[np.generic]) -> tuple[int, int]:
    return array.shape[0], array.shape[1]


def _covers(mask: Mask, places: Vector) -> Mask:
    """Return which of the (N, 2) places, in fractions of the picture, lie on `mask`."""
    height, width = mask.shape
    columns = np.clip((places[:, 0] * width).astype(np.intp), 0, width - 1)
    rows = np.clip((places[:, 1] * height).astype(np.intp), 0, height - 1)
    return np.asarray(mask[rows, columns], np.bool_)


def _reduced(picture: Image) -> Image:
    scale = min(1.0, _DENSE_SIDE / max(picture.shape[:2]))
    size = (max(8, round(picture.shape[1] * scale)), max(8, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _colour_bins(picture: Image) -> NDArray[np.intp]:
    """Return (h, w) indices 0..63 of hue, saturation and value."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL).astype(np.intp)
    hue, saturation, value = (
        hsv[..., channel] * bins // 256 for channel, bins in enumerate((_HUES, _SATURATIONS, _VALUES))
    )
    return np.asarray((hue * _SATURATIONS + saturation) * _VALUES + value, np.intp)


def _gradients(picture: Image) -> tuple[NDArray[np.intp], Vector]:
    """Return (h, w) orientations 0..3, without sign, and magnitudes in grey levels a pixel."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(grey, cv2.CV_32F, 0, 1) / 8
    angles = np.mod(np.arctan2(down, across) / np.pi + 0.5 / _ORIENTATIONS, 1.0)
    orientations = np.minimum((angles * _ORIENTATIONS).astype(np.intp), _ORIENTATIONS - 1)
    return orientations, np.hypot(across, down).astype(np.float32)


def _bounds(covered: Mask | None, shape: tuple[int, int]) -> tuple[slice, slice]:
    if covered is None:
        return slice(0, shape[0]), slice(0, shape[1])
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _cells(shape: tuple[int, int]) -> NDArray[np.intp]:
    """Return (h, w) indices 0..15 of a 4 x 4 grid."""
    rows = np.arange(shape[0]) * _CELLS // shape[0]
    columns = np.arange(shape[1]) * _CELLS // shape[1]
    return np.asarray(rows[:, None] * _CELLS + columns[None, :], np.intp)
