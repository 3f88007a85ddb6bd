"""torchvision beside a CPU build of torch.

PyPI's torchvision for Linux is linked against CUDA: beside a CPU torch its operators do not load, and the import
ends in "operator torchvision::nms does not exist". What we and our libraries use of it (transforms, `nms`) needs
no CUDA, so the missing operators are defined here. A torchvision that imports is left untouched.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any, Final

import torch

_lock: Final = threading.Lock()
_kept: Final[list[Any]] = []
"""torch.library drops its definitions together with the object that made them."""


def prepare_torchvision() -> None:
    """Make `import torchvision` work; call it before importing anything that imports torchvision."""
    with _lock:
        try:
            importlib.import_module("torchvision")
        except RuntimeError as exc:
            if "torchvision::nms" not in str(exc):
                raise
            _forget_half_imported()
            _define_operators()
            importlib.import_module("torchvision")
            importlib.import_module("torchvision.ops.boxes")._assert_has_ops = _has_operators  # type: ignore[attr-defined]


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def _has_operators() -> None:
    """Stand in for torchvision's check for its compiled operators: ours are there."""


def _define_operators() -> None:
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    _kept.append(library)
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl(name, suppress_overlaps, "CPU")


def suppress_overlaps(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Return the indices (K,) of the boxes kept by greedy non-maximum suppression, best score first.

    `boxes` is (N, 4) as x1, y1, x2, y2; a box goes when it overlaps a better one by more than `iou_threshold`.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    ranked = boxes[order]
    areas = (ranked[:, 2] - ranked[:, 0]) * (ranked[:, 3] - ranked[:, 1])
    alive = torch.ones(len(order), dtype=torch.bool)
    for index in range(len(order)):
        if alive[index]:
            rest = slice(index + 1, None)
            corner = torch.minimum(ranked[index, 2:], ranked[rest, 2:])
            sides = (corner - torch.maximum(ranked[index, :2], ranked[rest, :2])).clamp(min=0)
            shared = sides[:, 0] * sides[:, 1]
            alive[rest] &= ~(shared / (areas[index] + areas[rest] - shared) > iou_threshold)
    return order[alive]
