"""Drawing the whole sample into files: a placed gallery, and one more view of each place to try."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from photos.sample.town import PLACES, Place
from photos.sample.views import HELD_OUT, VIEWS, DrawnView, camera_of, draw_view, position_of

GALLERY: Final = "town"
TO_TRY: Final = "held-out"
CREDIT: Final = "Geolocator sample, drawn"
LICENSE: Final = "CC0-1.0"
NOTE: Final = "Drawn sample picture, not a photograph."
ACCURACY_M: Final = 4.0
QUALITY: Final = 88


@dataclass(frozen=True, slots=True)
class SampleManifest:
    """What was drawn: the gallery's files place by place, and the files to try with their truth."""

    gallery: tuple[Path, ...]
    held_out: tuple[Path, ...]


def draw_sample(
    folder: Path,
    *,
    progress: Callable[[int], object] | None = None,
    place_drawn: Callable[[Place, list[Path]], None] | None = None,
    workers: int | None = None,
) -> SampleManifest:
    """Draw what is not there yet into `folder`/town and `folder`/held-out; the same bytes every time.

    `progress` is told how many more pictures are there; `place_drawn` gets each place's gallery as soon as it is
    complete. Drawing takes `workers` processes, by default one a core up to four.
    """
    for name in (GALLERY, TO_TRY):
        (folder / name).mkdir(parents=True, exist_ok=True)
    count = min(4, os.cpu_count() or 1) if workers is None else workers
    for index in _draw_places(folder, count):
        if progress is not None:
            progress(VIEWS + 1)
        if place_drawn is not None:
            place_drawn(PLACES[index], [gallery_path(folder, index, view) for view in range(VIEWS)])
    _write_truth(folder)
    return SampleManifest(
        tuple(gallery_path(folder, index, view) for index in range(len(PLACES)) for view in range(VIEWS)),
        tuple(held_out_path(folder, index) for index in range(len(PLACES))),
    )


def _draw_places(folder: Path, workers: int) -> Iterator[int]:
    """Yield each place's number once its pictures are there."""
    numbers = range(len(PLACES))
    if workers <= 1:
        for index in numbers:
            draw_place(folder, index)
            yield index
        return
    # spawned, because a fork would take the parent's threads' locks along
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(draw_place, folder, index) for index in numbers]
        for index, future in zip(numbers, futures, strict=True):
            future.result()
            yield index


def draw_place(folder: Path, index: int) -> None:
    """Draw the missing views of one place."""
    for view in range(VIEWS):
        _draw_file(gallery_path(folder, index, view), index, view)
    _draw_file(held_out_path(folder, index), index, HELD_OUT)


def gallery_path(folder: Path, index: int, view: int) -> Path:
    return folder / GALLERY / f"{PLACES[index].slug}-{view + 1}.jpg"


def held_out_path(folder: Path, index: int) -> Path:
    return folder / TO_TRY / f"{PLACES[index].slug}.jpg"


def _draw_file(path: Path, index: int, view: int) -> None:
    if not path.exists():
        _write(path, encode_view(draw_view(index, view), placed=view != HELD_OUT))


def _write(path: Path, data: bytes) -> None:
    """Write whole or not at all, so that a picture that is there is complete."""
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)


def _write_truth(folder: Path) -> None:
    truths = []
    for index, place in enumerate(PLACES):
        latitude, longitude, _ = position_of(place, camera_of(index, HELD_OUT))
        truths.append(
            {
                "file": held_out_path(folder, index).name,
                "latitude": round(latitude, 7),
                "longitude": round(longitude, 7),
                "place": place.name,
            }
        )
    _write(folder / TO_TRY / "truth.json", json.dumps(truths, indent=1).encode())


def encode_view(view: DrawnView, *, placed: bool) -> bytes:
    """Return a view as a JPEG; a placed one with position, direction and time in its EXIF."""
    buffer = io.BytesIO()
    Image.fromarray(view.pixels).save(buffer, "JPEG", quality=QUALITY, exif=make_exif(view, placed=placed))
    return buffer.getvalue()


def make_exif(view: DrawnView, *, placed: bool) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = NOTE
    exif[ExifTags.Base.Artist] = CREDIT
    moment = view.taken_at
    offset = moment.strftime("%z")
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: moment.strftime("%Y:%m:%d %H:%M:%S"),
            ExifTags.Base.OffsetTimeOriginal: f"{offset[:3]}:{offset[3:]}",
        }
    )
    if placed:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(
            {
                ExifTags.GPS.GPSLatitudeRef: "N" if view.latitude >= 0 else "S",
                ExifTags.GPS.GPSLatitude: _degrees(view.latitude),
                ExifTags.GPS.GPSLongitudeRef: "E" if view.longitude >= 0 else "W",
                ExifTags.GPS.GPSLongitude: _degrees(view.longitude),
                ExifTags.GPS.GPSHPositioningError: IFDRational(round(ACCURACY_M * 10), 10),
                ExifTags.GPS.GPSImgDirectionRef: "T",
                ExifTags.GPS.GPSImgDirection: IFDRational(round(view.bearing_deg * 100) % 36000, 100),
            }
        )
    return exif


def _degrees(value: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    thousandths = round(abs(value) * 3_600_000)
    return (
        IFDRational(thousandths // 3_600_000, 1),
        IFDRational(thousandths % 3_600_000 // 60_000, 1),
        IFDRational(thousandths % 60_000, 1000),
    )
