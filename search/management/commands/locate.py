"""`manage.py locate FILE…`: where were these pictures taken?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from photos.errors import NoActiveSpaceError
from photos.models import Photo
from photos.querysets import location_for
from photos.vision.errors import ImageRefused
from search.answers import tell_distance, visible_photos
from search.presentation import present_result
from search.services import DEFAULT_LIMIT, MAX_LIMIT, locate_image
from search.types import LocationEstimate, Match, SearchResult


class Command(BaseCommand):
    help = "Tell where pictures were taken, from the collection's public photos."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files", nargs="+", type=Path, metavar="FILE", help="a picture: JPEG, PNG, WebP, TIFF, HEIC"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object per file, one a line")
        parser.add_argument(
            "--limit", type=_limit, default=DEFAULT_LIMIT, help=f"how many similar photos to list, 1 to {MAX_LIMIT}"
        )

    def handle(self, *args: Any, files: list[Path], limit: int, **options: Any) -> None:
        refused = 0
        for file in files:
            try:
                result = locate_image(file, viewer=None, limit=limit)
            except NoActiveSpaceError as exc:
                raise CommandError(str(exc)) from exc
            except (ImageRefused, OSError) as exc:
                refused += 1
                self._tell_refusal(file, exc, as_json=options["json"])
            else:
                self._tell(file, result, as_json=options["json"])
        if refused:
            raise CommandError(f"{refused} of {len(files)} files could not be read.", returncode=2)

    def _tell(self, file: Path, result: SearchResult, *, as_json: bool) -> None:
        if as_json:
            answer = {"file": str(file), **present_result(result, viewer=None)}
            self.stdout.write(json.dumps(answer, ensure_ascii=False, allow_nan=False))
            return
        style = self.style.SUCCESS if result.location else self.style.WARNING
        self.stdout.write(self.style.MIGRATE_HEADING(str(file)))
        self.stdout.write("  " + style(result.verdict))
        for line in [*_place_lines(result), *_match_lines(result), f"{result.timings_ms['total']:.0f} ms"]:
            self.stdout.write(f"  {line}")

    def _tell_refusal(self, file: Path, exc: Exception, *, as_json: bool) -> None:
        reason = exc.strerror or str(exc) if isinstance(exc, OSError) else str(exc)
        if as_json:
            self.stdout.write(json.dumps({"file": str(file), "error": reason}, ensure_ascii=False))
        else:
            self.stderr.write(f"{file}: {reason}")


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_LIMIT}")
    return int(text)


def _place_lines(result: SearchResult) -> list[str]:
    lines = []
    if result.location is not None:
        found = result.location
        photos = "photo" if found.support == 1 else "independent photos"
        lines.append(f"probability {found.probability:.0%}, from {found.support} {photos}")
    lines += [f"or {_place_line(other)}" for other in result.alternatives]
    return lines + [f"EXIF: {source.says}" for source in result.sources if source.source == "exif"]


def _place_line(place: LocationEstimate) -> str:
    where = f"{place.latitude:.5f}, {place.longitude:.5f}, within {tell_distance(place.radius_m)}"
    return f"{place.probability:.0%}: {where}"


def _match_lines(result: SearchResult) -> list[str]:
    photos = visible_photos(result.matches, None)
    return [
        _match_line(place, match, photos[match.photo_id])
        for place, match in enumerate(result.matches, start=1)
        if match.photo_id in photos
    ]


def _match_line(place: int, match: Match, photo: Photo) -> str:
    point = location_for(photo, None)
    where = "no place" if point is None else f"{point[0]:.5f}, {point[1]:.5f}"
    verification = match.verification
    inliers = "unverified"
    if verification is not None and verification.level != "none":
        counts = f"{verification.fundamental_inliers}/{verification.homography_inliers}"
        inliers = f"{verification.level} ({counts} points)"
    return f"{place:3}. {match.score:.3f}  {inliers:26} {where:24} {photo}"
