"""One JSON file per picture, with the keys that SAM-and-CLIP extraction scripts write.

`filename`, `image_path`, `num_segments`, `segments` (`segment_id`, `area`, `bbox` as x, y, width, height in pixels of
the upright picture, `stability_score`, `features`, `tags`), `global_features`, `feature_dimension`, `model`; besides
them `segmenter`, `predicted_iou`, and `tags` of the whole picture. Vectors are lists of D numbers of unit norm.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photos.vision.errors import VisionError
from photos.vision.types import EncoderSpec, ImageDescription, SegmentDescription


def to_record(
    found: ImageDescription, *, image_path: PurePosixPath, spec: EncoderSpec, segmenter: str
) -> dict[str, Any]:
    """Return what the file holds; `global_features` is None for a blank picture, or where none were asked for."""
    return {
        "filename": image_path.name,
        "image_path": str(image_path),
        "num_segments": len(found.segments),
        "segments": [_segment(number, one) for number, one in enumerate(found.segments)],
        "global_features": None if found.embedding is None else _numbers(found.embedding),
        "tags": [tag.slug for tag in found.tags],
        "feature_dimension": spec.dimensions,
        "model": spec.slug,
        "segmenter": segmenter,
    }


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write the file whole or not at all: beside its place first, flushed to the disk, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            json.dump(record, file, ensure_ascii=False, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_vectors(path: Path) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
    """Return a file's global features (D,), or None, and its segments' (S, D); raises `VisionError`."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        whole, dimensions = record["global_features"], int(record["feature_dimension"])
        rows = [one["features"] for one in record["segments"]]
        parts = np.asarray(rows, np.float32).reshape(len(rows), dimensions)
        return None if whole is None else np.asarray(whole, np.float32).reshape(dimensions), parts
    except (ValueError, KeyError, TypeError) as exc:
        raise VisionError(f"{path} is no extraction of a picture: {exc}") from exc


def _segment(number: int, described: SegmentDescription) -> dict[str, Any]:
    segment = described.segment
    return {
        "segment_id": number,
        "area": int(segment.area),
        "bbox": [int(segment.box.x), int(segment.box.y), int(segment.box.width), int(segment.box.height)],
        "stability_score": round(float(segment.stability_score), 6),
        "predicted_iou": round(float(segment.predicted_iou), 6),
        "features": _numbers(described.embedding),
        "tags": [tag.slug for tag in described.tags],
    }


def _numbers(vector: NDArray[np.float32]) -> list[float]:
    """Return numbers with as many digits as give the same float32 back."""
    return [float(f"{value:.9g}") for value in vector.tolist()]
