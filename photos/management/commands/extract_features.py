"""`manage.py extract_features OUT`: the collection's features as files for research."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from photos.errors import CollectionError
from photos.models import EmbeddingSpace, Photo
from photos.services import extraction, spaces
from photos.vision.bulk import command_line
from photos.vision.bulk.planning import describe_recipe, job_of
from photos.vision.errors import VisionError
from photos.vision.progress import progress_bar

_DESCRIBING: Final = (
    *("model", "weights", "fetch", "pooling", "transform", "resolution", "min_size", "scales", "multiscale"),
    *(
        "local",
        "max_side",
        "window",
        "limit",
        "strict",
        "readers",
        "address",
        "workers",
        "num_cpus",
        "num_gpus",
        "batch",
    ),
)
"""Options that say how pictures are described, beside `engine`, which has a default."""


class Command(BaseCommand):
    help = (
        "Write the collection's features into a file: the vectors of a space as they are stored, or, with --framework, "
        "those of any other model. The ids are the photos' public uuids. May be stopped and started again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("out", type=Path, metavar="OUT", help="the folder of results")
        parser.add_argument("--space", default="", help="the space whose vectors are written; default: the active one")
        parser.add_argument("--segments", action="store_true", help="the segments' vectors, uuid/rank, not the photos'")
        parser.add_argument("--engine", choices=command_line.ENGINES, default="local", help="with --framework")
        parser.add_argument("--batch", type=int, help="with --framework: pictures at a time; default: 32")
        command_line.add_feature_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        asked = argparse.Namespace(**options)
        if asked.format == "json":
            raise CommandError("Files of JSON are made of folders: python -m photos.vision extract FOLDER OUT")
        try:
            if asked.framework:
                self._describe(asked)
            else:
                self._export(asked)
        except (VisionError, CollectionError, OSError) as exc:
            raise CommandError(str(exc)) from exc

    def _describe(self, asked: argparse.Namespace) -> None:
        if asked.space or asked.segments:
            raise CommandError("--framework describes whole photos anew; --space and --segments write what is stored.")
        recipe = command_line.recipe_of(asked)
        how = {"recipe": describe_recipe(recipe), "dtype": asked.dtype or "float16", "limit": asked.limit or 0}
        path = asked.out / f"features_collection.{asked.format or 'hdf5'}"
        job = job_of(path, extraction.list_collection(limit=asked.limit or 0), how)
        status = command_line.run_features(asked, recipe, [job])
        if status:
            raise SystemExit(status)

    def _export(self, asked: argparse.Namespace) -> None:
        given = [name for name in _DESCRIBING if getattr(asked, name) is not None and getattr(asked, name) is not False]
        given += ["engine"] if asked.engine != "local" else []
        if given:
            name = given[0].replace("_", "-")
            raise CommandError(f"Stored vectors are written as they are; leave --{name} out, or give a --framework.")
        space = self._space(asked.space)
        kind = "_segments" if asked.segments else ""
        path = asked.out / f"features_{space.slug}{kind}.{asked.format or 'hdf5'}"
        with progress_bar(total=Photo.objects.count(), unit="photo", desc="Writing") as bar:
            done = extraction.export_vectors(
                space, path, dtype=asked.dtype or "float16", segments=asked.segments, progress=bar.update
            )
        told = f", {done.without} photos have none yet" if done.without else ""
        if not done.rows:
            raise CommandError(f"The space {space.slug} has no vectors{told}.")
        self.stdout.write(f"{path}: {done.rows} vectors of {space.slug}{told}")

    def _space(self, slug: str) -> EmbeddingSpace:
        if not slug:
            return spaces.active_space()
        found = EmbeddingSpace.objects.filter(slug=slug).first()
        if found is None:
            known = ", ".join(EmbeddingSpace.objects.order_by("slug").values_list("slug", flat=True))
            raise CommandError(f"There is no space {slug!r}; there are {known or 'none yet'}.")
        return found
