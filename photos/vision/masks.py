"""Masks of segments: COCO run lengths, boxes, overlap, and the choice of the few that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from photos.vision.types import Box, SegmentMask

Mask: TypeAlias = NDArray[np.bool_]

MAX_SEGMENTS_PER_IMAGE: Final = 10
MIN_SEGMENT_SIZE: Final = 0.01
"""The smallest segment kept, as a fraction of the picture."""

_COMPARED_SIDE: Final = 192
"""Masks are compared with one another at this many pixels a side at most."""


def encode_rle(mask: Mask) -> dict[str, Any]:
    """Return COCO's compressed run lengths of an (H, W) mask: `{"size": [H, W], "counts": str}`."""
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in mask.shape], "counts": encoded["counts"].decode("ascii")}


def decode_rle(rle: Mapping[str, Any]) -> Mask:
    """Return the (H, W) mask of COCO's compressed run lengths; raises `ValueError` where they do not fit.

    Not pycocotools': its decoder leaves memory uninitialised where the runs are too short.
    """
    height, width = (int(side) for side in rle["size"])
    counts = rle["counts"]
    runs = _run_lengths(counts if isinstance(counts, bytes) else str(counts).encode("ascii", "replace"))
    if min(height, width) < 1 or sum(runs) != height * width:
        raise ValueError(f"run lengths cover {sum(runs)} pixels, the mask has {height} x {width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)


def _run_lengths(counts: bytes) -> list[int]:
    """Undo COCO's 5-bit little-endian coding; from the third on, each run is told as a difference."""
    runs: list[int] = []
    value = shift = 0
    for byte in counts:
        digit = byte - 48
        if not 0 <= digit < 64 or shift > 35:
            raise ValueError(f"{bytes([byte])!r} does not belong into COCO run lengths")
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        if digit & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift or any(run < 0 for run in runs):
        raise ValueError("COCO run lengths are cut off or negative")
    return runs


def box_of(mask: Mask) -> Box:
    """Return the bounding box of the true pixels; raises `ValueError` for an empty mask."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        raise ValueError("an empty mask has no box")
    x, y = int(columns[0]), int(rows[0])
    return Box(x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)


def mask_of(box: Box, shape: tuple[int, int]) -> Mask:
    """Return an (H, W) mask that is true inside `box`."""
    mask = np.zeros(shape, dtype=np.bool_)
    mask[box.y : box.y + box.height, box.x : box.x + box.width] = True
    return mask


def mask_iou(first: Mask, second: Mask) -> float:
    """Return intersection over union in 0..1; two empty masks have 0."""
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 0.0


def resize_mask(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Return the mask at another (H, W), by nearest neighbour."""
    if mask.shape == shape:
        return mask
    resized = cv2.resize(mask.view(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return resized.astype(np.bool_)


def segment_of(mask: Mask, *, predicted_iou: float = 1.0, stability_score: float = 1.0) -> SegmentMask:
    """Return a segment with box and area taken from its mask; raises `ValueError` for an empty one."""
    area = int(np.count_nonzero(mask))
    return SegmentMask(mask, box_of(mask), area, predicted_iou, stability_score)


def choose_segments(
    candidates: Sequence[SegmentMask],
    *,
    limit: int = MAX_SEGMENTS_PER_IMAGE,
    min_size: float = MIN_SEGMENT_SIZE,
    max_iou: float = 0.7,
) -> list[SegmentMask]:
    """Choose up to `limit` segments by quality, size and what they add to the coverage, best first.

    Greedy: each turn takes the highest `quality * size * (1 + newly covered part)`. Simply taking the largest
    would fill the list with sky and sea. A segment that overlaps a chosen one by more than `max_iou`
    (intersection over union) is a near-duplicate and dropped; so is one smaller than `min_size` (a fraction
    of the picture).
    """
    kept = [one for one in candidates if one.area >= max(1.0, min_size * one.mask.size)]
    if not kept:
        return []
    masks = np.stack([_reduced(one.mask).ravel() for one in kept]).astype(np.float32)
    overlap = _pairwise_iou(masks)
    worth = np.array([_worth(one) for one in kept])
    uncovered = np.ones(masks.shape[1], dtype=np.float32)
    alive = np.ones(len(kept), dtype=np.bool_)
    chosen: list[SegmentMask] = []
    while alive.any() and len(chosen) < limit:
        gain = masks @ uncovered / np.maximum(masks.sum(axis=1), 1.0)
        best = int(np.argmax(np.where(alive, worth * (1.0 + gain), -1.0)))
        chosen.append(kept[best])
        uncovered *= 1.0 - masks[best]
        alive &= overlap[best] <= max_iou
        alive[best] = False
    return chosen


def _worth(segment: SegmentMask) -> float:
    """Quality times size: full for 8 to 40 % of the picture, falling to a half for all of it."""
    fraction = segment.area / segment.mask.size
    size = min(1.0, (fraction / 0.08) ** 0.5) * (1.0 - max(0.0, fraction - 0.4) / 1.2)
    return float(segment.predicted_iou * segment.stability_score * size)


def _reduced(mask: Mask) -> Mask:
    step = max(1, -(-max(mask.shape) // _COMPARED_SIDE))
    return mask[step // 2 :: step, step // 2 :: step]


def _pairwise_iou(masks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N, N) intersection over union of (N, pixels) masks of zeros and ones."""
    intersection = masks @ masks.T
    areas = masks.sum(axis=1)
    union = areas[:, None] + areas[None, :] - intersection
    return np.asarray(intersection / np.maximum(union, 1.0), dtype=np.float32)
