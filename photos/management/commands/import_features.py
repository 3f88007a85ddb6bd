"""`manage.py import_features FILE... --space SLUG`: vectors that were worked out elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from photos.errors import CollectionError
from photos.models import EmbeddingSpace
from photos.models.embedding import SpaceState
from photos.services import feature_import, spaces
from photos.services.feature_import import FeatureImportReport
from photos.vision.errors import VisionError


class Command(BaseCommand):
    help = "Copy files of features into a space, for the photos that their ids name; may be stopped and repeated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".hdf5 or .parquet")
        parser.add_argument("--space", required=True, metavar="SLUG", help="where the vectors go")
        parser.add_argument("--create", metavar="ENCODER", help="make the space for that encoder where there is none")
        parser.add_argument(
            "--describe", action="store_true", help="have workers describe the photos there too, for segments"
        )
        parser.add_argument(
            "--index-memory",
            default=feature_import.INDEX_MEMORY,
            help="what building the index may take; default: %(default)s",
        )

    def handle(self, *args: Any, files: list[Path], **options: Any) -> None:
        if missing := [path for path in files if not path.is_file()]:
            raise CommandError(f"there is no file {missing[0]}")
        try:
            space = self._find_space(options["space"], options["create"])
            with tqdm(unit="vector", desc="Copying", disable=options["verbosity"] == 0) as bar:
                report = feature_import.import_features(
                    files,
                    space,
                    mark_described=not options["describe"],
                    index_memory=options["index_memory"],
                    progress=bar.update,
                )
        except (CollectionError, VisionError) as exc:
            raise CommandError(str(exc)) from exc
        self._tell(space, report)

    def _find_space(self, slug: str, encoder: str | None) -> EmbeddingSpace:
        space = EmbeddingSpace.objects.filter(slug=slug).exclude(state=SpaceState.RETIRED).first()
        if space is not None:
            return space
        if not encoder:
            known = ", ".join(one.slug for one in spaces.current_spaces()) or "none"
            raise CommandError(f"there is no space {slug!r}; there are: {known}; --create ENCODER makes one")
        return spaces.create_space(slug, encoder=encoder)

    def _tell(self, space: EmbeddingSpace, report: FeatureImportReport) -> None:
        self.stdout.write(f"{report.written} vectors copied into {space.slug}.")
        for kind, count, what in (
            ("unknown", report.unknown, "name no photo here"),
            ("ambiguous", report.ambiguous, "name several photos"),
            ("empty", report.empty, "are zero or not finite"),
        ):
            if count:
                self.stdout.write(f"{count} {what}, for instance {', '.join(report.examples[kind])}")
        remaining = spaces.remaining_photos(space)
        if space.state != SpaceState.ACTIVE:
            ready = "it is complete" if not remaining else f"{remaining} photos remain to be described in it"
            self.stdout.write(f"{ready}; `manage.py models activate {space.slug}` makes it the one that searches use.")
