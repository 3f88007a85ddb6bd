"""SoIR's files: `anns.pt`, which picture shows which instance where, and `captions.pt`, the masks of its objects.

Both are dictionaries by picture, saved by torch (https://github.com/pihash2k/SoIR, scripts/create_masked_dataset.py,
and https://github.com/pihash2k/VoxDet-SoIR, create_dataset.py). Boxes are corners, x1 y1 x2 y2, in pixels. Masks are
run lengths in row-major order, beginning with a run of zeros that may be empty; COCO's go down the columns: the run
lengths here are those that pycocotools gives for the transposed mask, size [W, H]. Files are read without running
anything that is in them, and written in plain types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from photos.vision.errors import InterchangeError, MissingDependencyError
from photos.vision.interchange.plain_arrays import MAKERS, to_values
from photos.vision.interchange.whole_files import whole_file
from photos.vision.masks import Mask
from photos.vision.weights import UNREADABLE

RunLengths: TypeAlias = dict[str, list[int]]
Corners: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ObjectMasks:
    """The objects of one picture, as `captions.pt` has them.

    `size` is (width, height) or None where the file does not tell; `boxes` are corners; `masks_rle` are row-major
    run lengths, see `encode_row_major`; `scores` are in 0..1, one for each box, or none at all where the file's do
    not belong to its boxes: SoIR's own script writes those of before overlapping boxes were dropped.
    """

    boxes: tuple[Corners, ...]
    scores: tuple[float, ...]
    masks_rle: tuple[RunLengths, ...]
    size: tuple[int, int] | None = None

    def masks(self) -> list[Mask]:
        """Return the (H, W) masks; raises `InterchangeError` where run lengths do not fit."""
        return [decode_row_major(one) for one in self.masks_rle]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one picture shows, as `anns.pt` has it: an instance for each box; a query shows one.

    `masks` are run lengths, COCO polygons or None, as found; `subset` is "OWID" or "RoboTools" in VoxDet-SoIR.
    """

    is_query: bool
    instances: tuple[int | str, ...]
    boxes: tuple[Corners, ...] = ()
    masks: tuple[Any, ...] = ()
    subset: str = ""
    name: str = ""
    counts: tuple[int, ...] = ()


def encode_row_major(mask: Mask) -> RunLengths:
    """Return `{"counts": [...], "size": [H, W]}`: lengths of runs along the rows, of zeros and ones by turns."""
    if mask.ndim != 2 or not mask.size:
        raise InterchangeError(f"expected a mask (H, W), got shape {mask.shape}")
    flat = np.asarray(mask, dtype=np.bool_).ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(edges, prepend=0, append=flat.size).tolist()
    return {"counts": [0, *runs] if flat[0] else runs, "size": [int(side) for side in mask.shape]}


def decode_row_major(rle: Mapping[str, Any]) -> Mask:
    """Return the (H, W) mask of row-major run lengths; raises `InterchangeError` where they do not fill it."""
    try:
        height, width = (int(side) for side in rle["size"])
        counts = np.asarray(rle["counts"], dtype=np.int64).ravel()
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise InterchangeError(f"no run lengths: {str(rle)[:80]}") from exc
    if min(height, width) < 1 or (counts < 0).any() or counts.sum() != height * width:
        raise InterchangeError(f"run lengths cover {counts.sum()} pixels, the mask has {height} x {width}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)


def read_captions(path: Path) -> dict[str, ObjectMasks]:
    """Return the objects of each picture; raises `InterchangeError`."""
    return {name: _read_objects(f"{path}, {name}", entry) for name, entry in _load(path).items()}


def write_captions(path: Path, pictures: Mapping[str, ObjectMasks]) -> None:
    """Write `captions.pt`, whole or not at all, with the keys that SoIR's own script writes."""
    _save(path, {name: _objects_entry(name, objects) for name, objects in pictures.items()})


def read_anns(path: Path) -> dict[str, Annotation]:
    """Return what each picture shows; raises `InterchangeError`."""
    return {name: _read_annotation(f"{path}, {name}", entry) for name, entry in _load(path).items()}


def write_anns(path: Path, pictures: Mapping[str, Annotation]) -> None:
    """Write `anns.pt`, whole or not at all: a query's instance, box and mask alone, a gallery picture's in lists."""
    _save(path, {name: _annotation_entry(name, found) for name, found in pictures.items()})


def _read_objects(where: str, entry: Mapping[str, Any]) -> ObjectMasks:
    masks = tuple(_run_lengths(where, one) for one in entry.get("masks_rle", ()))
    boxes = tuple(_corners(where, one) for one in entry.get("bboxes", ()))
    scores = tuple(float(one) for one in entry.get("scores", ()))
    if boxes and len(boxes) != len(masks):
        raise InterchangeError(f"{where}: {len(boxes)} boxes and {len(masks)} masks")
    size = entry.get("image_size")
    return ObjectMasks(
        boxes, scores if len(scores) == len(boxes) else (), masks, (int(size[0]), int(size[1])) if size else None
    )


def _objects_entry(name: str, objects: ObjectMasks) -> dict[str, Any]:
    if len(objects.boxes) not in {0, len(objects.masks_rle)} or len(objects.scores) not in {0, len(objects.boxes)}:
        raise InterchangeError(f"{name}: where there are boxes or scores, there is one for each mask")
    entry: dict[str, Any] = {"image_path": name}
    if objects.size:
        entry["image_size"] = tuple(int(side) for side in objects.size)
    return entry | {
        "bboxes": [[float(side) for side in box] for box in objects.boxes],
        "scores": [float(score) for score in objects.scores],
        "masks_rle": [_run_lengths(name, one) for one in objects.masks_rle],
        "num_objects": len(objects.masks_rle),
    }


def _read_annotation(where: str, entry: Mapping[str, Any]) -> Annotation:
    if "ins" not in entry and "label" not in entry:
        raise InterchangeError(f"{where}: no instance (`ins`)")
    is_query = bool(entry.get("is_query", False))
    boxes, masks = entry.get("bbox"), entry.get("mask")
    if boxes is not None and len(boxes) == 4 and np.ndim(boxes[0]) == 0:
        boxes = [boxes]
    if masks is not None and not isinstance(masks, list | tuple):
        masks = [masks]
    return Annotation(
        is_query=is_query,
        instances=tuple(_plain(one) for one in _as_list(entry.get("ins", entry.get("label")))),
        boxes=tuple(_corners(where, one) for one in boxes or ()),
        masks=tuple(_plain(one) for one in masks or ()),
        subset=str(entry.get("set", "")),
        name=str(entry.get("obj_name", "")),
        counts=tuple(int(one) for one in _as_list(entry.get("num_ins", ()))),
    )


def _annotation_entry(name: str, found: Annotation) -> dict[str, Any]:
    if found.is_query and (len(found.instances) != 1 or len(found.boxes) > 1 or len(found.masks) > 1):
        raise InterchangeError(f"{name}: a query shows one instance, with one box and one mask at most")
    lists: dict[str, list[Any]] = {
        "bbox": [tuple(float(side) for side in box) for box in found.boxes],
        "mask": [_plain(one) for one in found.masks],
        "ins": [_plain(one) for one in found.instances],
    }
    told: dict[str, Any] = (
        {key: values[0] for key, values in lists.items() if values}
        if found.is_query
        else {**lists, "num_ins": list(found.counts)}
    )
    named = {"set": found.subset, "obj_name": found.name}
    return told | {"is_query": found.is_query} | {key: text for key, text in named.items() if text}


def _run_lengths(where: str, rle: Any) -> RunLengths:
    try:
        return {"counts": [int(one) for one in rle["counts"]], "size": [int(one) for one in rle["size"]]}
    except (KeyError, TypeError, ValueError) as exc:
        raise InterchangeError(f"{where}: no row-major run lengths: {str(rle)[:80]}") from exc


def _corners(where: str, box: Sequence[Any]) -> Corners:
    try:
        x1, y1, x2, y2 = (float(side) for side in box)
    except (TypeError, ValueError) as exc:
        raise InterchangeError(f"{where}: expected a box x1 y1 x2 y2, got {str(box)[:80]}") from exc
    return x1, y1, x2, y2


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _plain(value: Any) -> Any:
    """Return the same in Python's own types, of numpy's and torch's numbers and arrays."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(one) for one in value)
    return value.tolist() if hasattr(value, "tolist") else value


def _load(path: Path) -> dict[str, Mapping[str, Any]]:
    torch = _torch()
    if not path.is_file():
        raise InterchangeError(f"there is no file {path}")
    try:
        with torch.serialization.safe_globals([(make, name) for name, make in MAKERS.items()]):
            found = to_values(torch.load(path, map_location="cpu", weights_only=True))
    except UNREADABLE as exc:
        raise InterchangeError(f"{path} holds more than plain dictionaries, numbers and arrays, or is broken") from exc
    if not isinstance(found, dict) or not all(isinstance(one, Mapping) for one in found.values()):
        raise InterchangeError(f"{path} holds no dictionary of pictures")
    return {str(name): entry for name, entry in found.items()}


def _save(path: Path, pictures: dict[str, dict[str, Any]]) -> None:
    with whole_file(path) as temporary:
        _torch().save(pictures, temporary)


def _torch() -> Any:
    try:
        import torch
    except ImportError as exc:
        raise MissingDependencyError("SoIR's files need torch: pip install 'geolocator[models]'") from exc
    return torch
