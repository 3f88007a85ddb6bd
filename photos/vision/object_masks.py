"""The objects of a folder of pictures as masks, for SoIR's `captions.pt`, to be stopped and taken up again.

Each picture's objects are a line of a journal beside the file; the file is written from it at the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, cast

from photos.vision import configuration, registry
from photos.vision.errors import ImageRefused, UnknownModelError, VisionError
from photos.vision.images import read_image
from photos.vision.interchange.coco_json import SegmentedPicture, write_coco
from photos.vision.interchange.soir_files import ObjectMasks, encode_row_major, write_captions
from photos.vision.masks import segment_of
from photos.vision.segmenters.owlv2_weights import SAM_OF
from photos.vision.types import Image

SEGMENTERS: Final = tuple(SAM_OF)
DEFAULT_SEGMENTER: Final = SEGMENTERS[0]

Outcome: TypeAlias = Literal["masked", "refused", "skipped"]


class ObjectFinder(Protocol):
    """A segmenter that tells its objects' boxes and scores too."""

    def find_objects(self, image: Image, *, limit: int = 0) -> Sequence[Any]: ...


@dataclass(slots=True)
class MaskingReport:
    """Pictures masked now, masked before, and refused; all objects in the file."""

    masked: int = 0
    skipped: int = 0
    objects: int = 0
    refused: list[tuple[Path, str]] = field(default_factory=list)


def mask_folder(
    folder: Path,
    out: Path,
    pictures: Sequence[Path],
    *,
    segmenter: str = DEFAULT_SEGMENTER,
    limit: int = 0,
    max_side: int = 0,
    progress: Callable[[Outcome], object] | None = None,
) -> MaskingReport:
    """Find the objects of each picture of `folder` and write them to the file `out`, by their paths in the folder.

    The file is SoIR's, or COCO's where its name ends with `.json`. Pictures that the journal holds are left; one that
    cannot be read is reported and tried again the next time. `limit` is of objects in a picture, the surest; `max_side`
    reduces pictures, and with them boxes and masks; 0 is none. Raises `VisionError` for missing models, and for a
    journal of other settings.
    """
    if segmenter not in SEGMENTERS:
        raise UnknownModelError(f"{segmenter!r} finds no objects with boxes; use one of {', '.join(SEGMENTERS)}")
    report = MaskingReport()
    tell = progress or (lambda _outcome: None)
    journal = _Journal(out, {"segmenter": segmenter, "limit": limit, "max_side": max_side})
    finder: ObjectFinder | None = None
    for path in pictures:
        name = path.relative_to(folder).as_posix()
        if name in journal.found:
            report.skipped += 1
            tell("skipped")
            continue
        finder = finder or cast("ObjectFinder", registry.get_segmenter(segmenter))
        try:
            pixels = read_image(path, max_side=max_side or None).pixels
        except (ImageRefused, OSError) as exc:
            report.refused.append((path, str(exc)))
            tell("refused")
            continue
        journal.add(name, _as_soir(finder.find_objects(pixels, limit=limit), pixels))
        report.masked += 1
        tell("masked")
    _write(out, journal.found)
    report.objects = sum(len(one.masks_rle) for one in journal.found.values())
    return report


def _write(out: Path, found: Mapping[str, ObjectMasks]) -> None:
    if out.suffix == ".json":
        write_coco(out, (_as_coco(name, objects) for name, objects in found.items()))
    else:
        write_captions(out, found)


def _as_coco(name: str, objects: ObjectMasks) -> SegmentedPicture:
    """Return the same with boxes that fit the masks, and how sure the detection was as their score."""
    width, height = objects.size or (0, 0)
    pairs = zip(objects.masks(), objects.scores, strict=True)
    return SegmentedPicture(name, width, height, tuple(segment_of(mask, predicted_iou=score) for mask, score in pairs))


def _as_soir(found: Sequence[Any], pixels: Image) -> ObjectMasks:
    return ObjectMasks(
        boxes=tuple(one.corners for one in found),
        scores=tuple(one.score for one in found),
        masks_rle=tuple(encode_row_major(one.segment.mask) for one in found),
        size=(pixels.shape[1], pixels.shape[0]),
    )


class _Journal:
    """What is found so far, picture by picture: survives being killed, except for the picture at hand."""

    def __init__(self, out: Path, made_with: dict[str, Any]) -> None:
        self._path = out.with_name(out.name + ".journal")
        self._made_with = made_with | configuration.result_settings(configuration.current())
        self.found: dict[str, ObjectMasks] = {}
        out.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self._read()
        else:
            self._append(self._made_with)

    def add(self, name: str, objects: ObjectMasks) -> None:
        """Note a picture's objects, on the disk."""
        self._append({"name": name, **asdict(objects)})
        self.found[name] = objects

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> None:
        """Take what is there up to a last line that was cut off, which is removed."""
        lines = _whole_lines(self._path)
        header = json.loads(next(lines, b"{}") or b"{}")
        if header != self._made_with:
            changed = sorted(name for name in self._made_with if header.get(name) != self._made_with[name])
            raise VisionError(
                f"{self._path} was made with other settings ({', '.join(changed)}); use them, or another OUT"
            )
        for line in lines:
            entry = json.loads(line)
            self.found[entry["name"]] = ObjectMasks(
                boxes=tuple(tuple(box) for box in entry["boxes"]),
                scores=tuple(entry["scores"]),
                masks_rle=tuple(entry["masks_rle"]),
                size=tuple(entry["size"]),
            )


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines that end; cut a last one off that does not."""
    end = 0
    with path.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(end)
                return
            end += len(line)
            yield line
