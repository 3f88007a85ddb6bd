"""`manage.py create_sample`: a drawn town to try everything with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from photos.models import Photo
from photos.sample import draw_sample
from photos.sample.drawing import CREDIT, LICENSE, NOTE
from photos.sample.town import PLACES, Place
from photos.sample.views import VIEWS
from photos.services.importing import import_folder


class Command(BaseCommand):
    help = "Draw the sample, a town that does not exist, and add it to an empty collection. May be repeated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--folder", type=Path, help="where its pictures go; default: DATA_DIR/sample")
        parser.add_argument("--no-import", action="store_true", help="draw only")
        parser.add_argument("--force", action="store_true", help="add it to a collection that is not empty, too")

    def handle(self, *args: Any, folder: Path | None, **options: Any) -> None:
        wanted = not options["no_import"]
        if wanted and not options["force"] and self._has_other_photos():
            self.stdout.write("The collection is not empty; --force adds the sample all the same.")
            return
        folder = folder or Path(settings.DATA_DIR) / "sample"
        added: list[int] = []

        def take_in(place: Place, files: list[Path]) -> None:
            if wanted:
                added.extend(import_folder(files[0].parent, files=files, defaults=describe(place)).added)

        total = len(PLACES) * (VIEWS + 1)
        with tqdm(total=total, unit="view", desc="Drawing", mininterval=2, disable=options["verbosity"] == 0) as bar:
            manifest = draw_sample(folder, progress=lambda more: bar.update(more), place_drawn=take_in)
        tried = manifest.held_out[0].parent
        self.stdout.write(f"Added {len(added)} drawn photos; {len(manifest.held_out)} views to try lie in {tried}.")

    def _has_other_photos(self) -> bool:
        """A sample that was broken off is gone on with."""
        return Photo.objects.exclude(credit=CREDIT).exists()


def describe(place: Place) -> dict[str, Any]:
    return {
        "title": place.name,
        "description": f"{place.text} {NOTE}",
        "credit": CREDIT,
        "license": LICENSE,
        "tags": list(place.tags),
        "places": [place.name],
    }
