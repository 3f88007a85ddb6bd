"""Segments of pictures as COCO's instances: `images`, `annotations` with run lengths, one category, `object`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from photos.vision.errors import InterchangeError
from photos.vision.interchange.whole_files import whole_file
from photos.vision.masks import decode_rle, encode_rle
from photos.vision.types import Box, SegmentMask

CATEGORY: Final = {"id": 1, "name": "object", "supercategory": ""}


@dataclass(frozen=True, slots=True)
class SegmentedPicture:
    """A picture's name, its size in pixels and its segments, whose masks cover it."""

    name: str
    width: int
    height: int
    segments: tuple[SegmentMask, ...]


def write_coco(path: Path, pictures: Iterable[SegmentedPicture]) -> None:
    """Write the pictures and segments, numbered from 1; `score` is the predicted IoU, as detectors report it.

    One picture's masks are in memory at a time, if `pictures` makes them so.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, one in enumerate(pictures, start=1):
        images.append({"id": number, "file_name": one.name, "width": one.width, "height": one.height})
        for segment in one.segments:
            annotations.append({"id": len(annotations) + 1} | _annotation(segment, number))
    found = {"images": images, "annotations": annotations, "categories": [CATEGORY]}
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(found, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def read_coco(path: Path) -> list[SegmentedPicture]:
    """Return the pictures and their segments, in the file's order; raises `InterchangeError`.

    Run lengths are read compressed or not, polygons are not.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        segments: dict[int, list[SegmentMask]] = {int(image["id"]): [] for image in found["images"]}
        for annotation in found["annotations"]:
            segments[int(annotation["image_id"])].append(_segment(annotation))
        return [
            SegmentedPicture(
                str(image["file_name"]), int(image["width"]), int(image["height"]), tuple(segments[int(image["id"])])
            )
            for image in found["images"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InterchangeError(f"{path} holds no COCO instances with run lengths: {exc!r}") from exc


def _annotation(segment: SegmentMask, picture_id: int) -> dict[str, Any]:
    box = segment.box
    return {
        "image_id": picture_id,
        "category_id": CATEGORY["id"],
        "segmentation": encode_rle(segment.mask),
        "bbox": [int(box.x), int(box.y), int(box.width), int(box.height)],
        "area": int(segment.area),
        "iscrowd": 0,
        "score": float(segment.predicted_iou),
        "stability_score": float(segment.stability_score),
    }


def _segment(annotation: Mapping[str, Any]) -> SegmentMask:
    rle = annotation["segmentation"]
    mask = decode_rle(_compressed(rle) if isinstance(rle["counts"], list) else rle)
    x, y, width, height = (round(float(side)) for side in annotation["bbox"])
    score, stability = float(annotation.get("score", 1.0)), float(annotation.get("stability_score", 1.0))
    return SegmentMask(mask, Box(x, y, width, height), int(annotation["area"]), score, stability)


def _compressed(rle: Mapping[str, Any]) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    height, width = rle["size"]
    found = coco_mask.frPyObjects(dict(rle), height, width)
    return {"size": found["size"], "counts": found["counts"]}
