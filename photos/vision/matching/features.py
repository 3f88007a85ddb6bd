"""Local features: SIFT keypoints (Lowe, IJCV 2004) with RootSIFT descriptors (Arandjelovic, CVPR 2012)."""

from __future__ import annotations

import struct
import weakref
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from photos.vision.types import Image, LocalFeatures

WORKING_SIDE: Final = 800
"""Pixels of the longer side at which keypoints are found; smaller pictures stay as they are."""

MAX_FEATURES: Final = 1000
LEAST_FEATURE_SIZE: Final = 3.2
"""Diameter (working pixels) from which a keypoint is preferred for verification. The smaller ones crowd out those
that are found again: without them 60 instead of 46 % of the true pairs of a set of real photos are confirmed, and
chance inliers are fewer."""

_DESCRIPTOR_SCALE: Final = 512.0
_HEADER: Final = struct.Struct("<4sIII")
_MAGIC: Final = b"LFT1"


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The keypoints of one picture, strongest first.

    `picture` is the (h, w, 3) working copy, `points` (N, 2) float32 x, y and `sizes` (N,) float32 diameters in
    its pixels, `descriptors` (N, 128) float32 RootSIFT of unit norm, `original_size` the (width, height) of
    the picture given.
    """

    picture: Image
    points: NDArray[np.float32]
    sizes: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    original_size: tuple[int, int]


_latest: tuple[weakref.ref[Image], Detections] | None = None


def detect(image: Image) -> Detections:
    """Return all keypoints, the strongest first.

    The latest answer is remembered for a read-only picture (as `read_image` returns), so that its global
    vector, its segments and its features share one detection.
    """
    global _latest
    latest = _latest
    if latest is not None and latest[0]() is image:
        return latest[1]
    found = _detect(image)
    if not image.flags.writeable:
        _latest = (weakref.ref(image), found)
    return found


def _detect(image: Image) -> Detections:
    height, width = image.shape[:2]
    picture = _working_copy(image)
    sift = cv2.SIFT.create(contrastThreshold=0.02, edgeThreshold=12, sigma=1.6)
    keypoints, descriptors = sift.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), None)
    if not keypoints:
        descriptors = np.empty((0, 128), np.float32)
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    sizes = np.array([keypoint.size for keypoint in keypoints], np.float32)
    responses = np.array([keypoint.response for keypoint in keypoints], np.float32)
    # Ties by place, so that the order never depends on how OpenCV shared the work among threads.
    order = np.lexsort((points[:, 1], points[:, 0], -responses))
    root_sift = to_root_sift(descriptors[order])
    return Detections(picture, points[order], sizes[order], root_sift, (width, height))


def _working_copy(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def to_root_sift(descriptors: NDArray[np.number]) -> NDArray[np.float32]:
    """Return (N, 128) SIFT with L1 norm 1 and the square root taken: unit length under L2."""
    sums = np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-7)
    return np.asarray(np.sqrt(descriptors / sums), np.float32)


def extract_local_features(image: Image, *, original_size: tuple[int, int] | None = None) -> LocalFeatures:
    """Return the 1000 strongest keypoints with RootSIFT; small ones only where there are too few others.

    `original_size` is the (width, height) of the upright original where `image` is a reduced copy; keypoints
    are told in its pixels.
    """
    found = detect(image)
    size = original_size or found.original_size
    height, width = found.picture.shape[:2]
    stretch = np.array([size[0] / width, size[1] / height], np.float32)
    # Pixel centres lie at half a pixel, so that a scaled picture's points meet the original's.
    kept = np.argsort(found.sizes < LEAST_FEATURE_SIZE, kind="stable")[:MAX_FEATURES]
    points = (found.points[kept] + 0.5) * stretch - 0.5
    codes = np.rint(found.descriptors[kept] * _DESCRIPTOR_SCALE)
    return LocalFeatures(
        np.asarray(points, np.float32), np.clip(codes, 0, 255).astype(np.uint8), (int(size[0]), int(size[1]))
    )


def to_bytes(features: LocalFeatures) -> bytes:
    """Serialise: a 16-byte header, keypoints as uint16 fractions of the picture, descriptors as uint8.

    132 bytes a keypoint; a keypoint moves by less than 1/65535 of the picture's side.
    """
    size = np.array(features.image_size, np.float32)
    fractions = np.clip(np.rint((features.keypoints + 0.5) / size * 65535.0), 0, 65535).astype("<u2")
    header = _HEADER.pack(_MAGIC, len(features), *features.image_size)
    return b"".join([header, fractions.tobytes(), features.descriptors.tobytes()])


def from_bytes(data: bytes | memoryview) -> LocalFeatures:
    """Undo `to_bytes`; raises `ValueError` for anything else."""
    if len(data) < _HEADER.size or data[:4] != _MAGIC:
        raise ValueError("these bytes are not local features: the header is missing")
    _, count, width, height = _HEADER.unpack_from(data)
    if len(data) != _HEADER.size + count * 132:
        raise ValueError(f"local features for {count} keypoints need {count * 132} bytes after the header")
    fractions = np.frombuffer(data, "<u2", count * 2, _HEADER.size).reshape(count, 2)
    size = np.array([width, height], np.float32)
    points = fractions.astype(np.float32) / 65535.0 * size - 0.5
    descriptors = np.frombuffer(data, np.uint8, count * 128, _HEADER.size + count * 4).reshape(count, 128)
    return LocalFeatures(np.asarray(points, np.float32), descriptors.copy(), (width, height))
