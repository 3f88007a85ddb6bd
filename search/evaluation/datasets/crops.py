"""The objects that queries ask for, cut out of their pictures: what many protocols describe in the picture's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from photos.vision.errors import ImageRefused
from photos.vision.images import read_image
from photos.vision.interchange.whole_files import whole_file
from photos.vision.types import Box
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Dataset

QUALITY = 95


def write_crops(data: Dataset, folder: Path, *, progress: Callable[[], object] | None = None) -> int:
    """Write the box around all boxes of each query under its picture's path in the data set; returns how many.

    What is there already stays, and a query without a box is written whole. Raises `EvaluationError` for a picture
    that is not there, or cannot be read.
    """
    queries = [query for query in data.queries if not query.text and not query.id.endswith(".txt")]
    places = {query.id: data.locate_query(query.id) for query in queries}
    base = _common_folder(list(places.values()))
    for query in queries:
        place = places[query.id]
        target = folder / place.relative_to(base)
        if not target.exists():
            _write_crop(place, target, query.boxes)
        if progress:
            progress()
    return len(queries)


def _write_crop(place: Path, target: Path, boxes: Sequence[Box]) -> None:
    try:
        pixels = read_image(place).pixels
    except (ImageRefused, OSError) as exc:
        raise EvaluationError(f"{place} cannot be read: {exc}") from exc
    if boxes:
        left, top = max(0, min(box.x for box in boxes)), max(0, min(box.y for box in boxes))
        right, bottom = max(box.x + box.width for box in boxes), max(box.y + box.height for box in boxes)
        pixels = pixels[top:bottom, left:right]
    if not pixels.size:
        raise EvaluationError(f"{place}: the box lies outside of the picture")
    with whole_file(target) as temporary:
        kind = "PNG" if place.suffix.lower() == ".png" else "JPEG"
        Image.fromarray(pixels).save(temporary, kind, quality=QUALITY, subsampling=0)


def _common_folder(places: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all places."""
    folder = places[0].parent if places else Path()
    while not all(place.is_relative_to(folder) for place in places):
        folder = folder.parent
    return folder
