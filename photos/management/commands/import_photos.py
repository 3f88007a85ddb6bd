"""`manage.py import_photos FOLDER`: bring your own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from photos.errors import InvalidSidecarError
from photos.models import LocationVisibility, Visibility
from photos.services.importing import ImportReport, Outcome, import_folder, list_files, wait_until_indexed


class Command(BaseCommand):
    help = "Add the pictures of a folder and its subfolders; may be stopped and repeated, nothing is added twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--owner", metavar="USERNAME", help="whose photos they become; default: nobody's")
        parser.add_argument("--visibility", choices=Visibility.values, default=Visibility.PUBLIC.value)
        parser.add_argument(
            "--location-visibility", choices=LocationVisibility.values, default=LocationVisibility.EXACT.value
        )
        parser.add_argument("--credit", default="", help="whom to credit where neither sidecar nor EXIF says")
        parser.add_argument("--license", default="", help="the licence where the sidecar says none")
        parser.add_argument(
            "--sidecar",
            type=Path,
            metavar="FILE",
            help="CSV or JSON with coordinates, titles, tags; default: sidecar.csv",
        )
        parser.add_argument("--wait", action="store_true", help="return when all are indexed")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder")
        try:
            report = self._import(folder, options)
        except InvalidSidecarError as exc:
            raise CommandError(str(exc)) from exc
        self._tell(folder, report)
        if options["wait"] and report.added:
            self._wait(report)

    def _import(self, folder: Path, options: dict[str, Any]) -> ImportReport:
        files = list_files(folder, sidecar=options["sidecar"])
        defaults = {
            "location_visibility": options["location_visibility"],
            "credit": options["credit"],
            "license": options["license"],
        }
        with tqdm(total=len(files), unit="photo", desc="Importing", disable=options["verbosity"] == 0) as bar:
            counts = {"added": 0, "skipped": 0, "refused": 0}

            def advance(_path: Path, outcome: Outcome) -> None:
                counts[outcome] += 1
                bar.set_postfix(counts, refresh=False)
                bar.update()

            return import_folder(
                folder,
                owner=find_owner(options["owner"]),
                visibility=options["visibility"],
                progress=advance,
                sidecar=options["sidecar"],
                defaults=defaults,
                files=files,
            )

    def _tell(self, folder: Path, report: ImportReport) -> None:
        for path, reason in report.refused:
            self.stderr.write(f"{path.relative_to(folder)}: {reason}")
        self.stdout.write(
            f"Added {len(report.added)} photos, skipped {len(report.skipped)} that were there already,"
            f" refused {len(report.refused)} files."
        )

    def _wait(self, report: ImportReport) -> None:
        with tqdm(total=len(report.added), unit="photo", desc="Indexing") as bar:

            def advance(done: int) -> None:
                bar.update(done - bar.n)

            wait_until_indexed(report.added, progress=advance)


def find_owner(username: str | None) -> User | None:
    if username is None:
        return None
    owner = User.objects.filter(username=username).first()
    if owner is None:
        raise CommandError(f"there is no user {username!r}")
    return owner
