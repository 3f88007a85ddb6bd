"""SAM's masks for everything in a picture: those of `SamAutomaticMaskGenerator`, sooner.

The same prompts, thresholds and suppression. What differs is the order of work: masks are dropped by predicted
quality while they are small, enlarged few at a time, and only those that survive the suppression are made again
in full; nothing is run-length coded on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photos.vision.segmenters.sam_model import EncodedImage, SamModel
from photos.vision.torchvision_cpu import prepare_torchvision

STABILITY_OFFSET: Final = 1.0
BOX_NMS_THRESH: Final = 0.7
_ENLARGED_AT_ONCE: Final = 8
_ADDED: Final = 64
"""Prompts whose masks are held before they are filtered."""


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """Masks of one picture: `small` logits (N, 4g, 4g), `quality` (predicted IoU), `stability`, (N,) each, and
    `boxes` (N, 4) int64 as x1, y1, x2, y2, of the first and last true pixels."""

    small: Tensor
    quality: Tensor
    stability: Tensor
    boxes: Tensor

    def pick(self, keep: Tensor) -> Masks:
        """Return those at the indices, or where true."""
        return Masks(self.small[keep], self.quality[keep], self.stability[keep], self.boxes[keep])


@torch.inference_mode()
def automatic_masks(
    model: SamModel,
    image: EncodedImage,
    *,
    points_per_side: int,
    pred_iou_thresh: float = 0.88,
    stability_score_thresh: float = 0.95,
) -> Masks:
    """Return the masks of a grid of points, the best by predicted IoU first, without near-duplicates by box."""
    points = point_grid(points_per_side) * (image.size[1], image.size[0])
    found = []
    for start in range(0, len(points), _ADDED):
        logits, quality = model.decode_points(image, points[start : start + _ADDED])
        logits, quality = logits[:, 1:].flatten(0, 1), quality[:, 1:].flatten()
        likely = quality > (pred_iou_thresh or -torch.inf)  # as in the original, zero means all
        masks = measure(model, image, logits[likely], quality[likely])
        found.append(masks.pick(masks.stability >= stability_score_thresh) if stability_score_thresh else masks)
    return suppress_duplicates(_joined(found))


def measure(model: SamModel, image: EncodedImage, small: Tensor, quality: Tensor) -> Masks:
    """Return the small logits with the stability and box of their enlarged masks.

    Stability is the IoU of the masks cut one above and one below the usual threshold of zero.
    """
    stability, boxes = [small.new_zeros(0)], [torch.zeros(0, 4, dtype=torch.int64, device=small.device)]
    for part in torch.split(small, _ENLARGED_AT_ONCE):
        large = model.enlarge(part, image, roughly=True)
        stability.append(_areas(_above(large, STABILITY_OFFSET)) / _areas(_above(large, -STABILITY_OFFSET)))
        boxes.append(_boxes(_above(large, 0.0)))
    return Masks(small, quality, torch.cat(stability), torch.cat(boxes))


def suppress_duplicates(masks: Masks) -> Masks:
    """Return the masks whose boxes do not overlap a better one's by more than `BOX_NMS_THRESH`, best first."""
    prepare_torchvision()
    from torchvision.ops import nms

    return masks.pick(nms(masks.boxes.float(), masks.quality, BOX_NMS_THRESH))


def full_masks(model: SamModel, image: EncodedImage, small: Tensor) -> NDArray[np.bool_]:
    """Return (N, H, W) bool at the picture's size."""
    parts = [(model.enlarge(part, image) > 0).cpu().numpy() for part in torch.split(small, _ENLARGED_AT_ONCE)]
    return np.concatenate([np.zeros((0, *image.size), np.bool_), *parts])


def point_grid(points_per_side: int) -> NDArray[np.float64]:
    """Return (n * n, 2) points in 0..1, row by row, half a step from the edges."""
    line = np.linspace(0.5 / points_per_side, 1 - 0.5 / points_per_side, points_per_side)
    across, down = np.meshgrid(line, line)
    return np.stack([across.ravel(), down.ravel()], axis=-1)


def _joined(found: list[Masks]) -> Masks:
    return Masks(
        torch.cat([one.small for one in found]),
        torch.cat([one.quality for one in found]),
        torch.cat([one.stability for one in found]),
        torch.cat([one.boxes for one in found]),
    )


def _above(logits: Tensor, level: float) -> Tensor:
    """Return where the logits exceed a level; on a CPU by NumPy, for torch's threads wait for one another each time."""
    return logits > level if logits.device.type != "cpu" else torch.from_numpy(logits.numpy() > level)


def _areas(masks: Tensor) -> Tensor:
    """Return (N,) int32; on a CPU NumPy counts ten times as fast as torch."""
    if masks.device.type != "cpu":
        return masks.sum(dim=(1, 2), dtype=torch.int32)
    return torch.tensor([np.count_nonzero(one) for one in masks.numpy()], dtype=torch.int32)


def _boxes(masks: Tensor) -> Tensor:
    """Return (N, 4) int64 first and last true column and row, x1, y1, x2, y2; zeros for an empty mask."""
    columns, rows = _any(masks, 1), _any(masks, 2)
    left, right = _ends(columns)
    top, bottom = _ends(rows)
    boxes = torch.stack([left, top, right, bottom], dim=1)
    return boxes * columns.any(dim=1, keepdim=True)


def _any(masks: Tensor, axis: int) -> Tensor:
    """Return whether any is true along an axis; on a CPU again by NumPy."""
    if masks.device.type != "cpu":
        return masks.any(dim=axis)
    return torch.from_numpy(masks.numpy().any(axis=axis))


def _ends(line: Tensor) -> tuple[Tensor, Tensor]:
    numbers = line.to(torch.uint8)
    return numbers.argmax(dim=1), line.shape[1] - 1 - numbers.flip(1).argmax(dim=1)
