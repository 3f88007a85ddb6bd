"""`manage.py weigh_segments`: how distinctive each stored segment is for its place."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from photos.models import EmbeddingSpace, Photo
from photos.services.spaces import current_spaces
from search.weighing import weigh_space


class Command(BaseCommand):
    help = "Weigh all segments by how scattered their likes are on the map, as the workers do every night; resumable."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--space", metavar="SLUG", help="one space only; default: all that are not retired")

    def handle(self, *args: Any, space: str | None, **options: Any) -> None:
        spaces = {one.slug: one for one in current_spaces()}
        if space is not None and space not in spaces:
            raise CommandError(f"there is no space {space!r}; there are {', '.join(spaces) or 'none'}")
        for slug, one in spaces.items():
            if space in (None, slug):
                self._weigh(one, quiet=options["verbosity"] == 0)

    def _weigh(self, space: EmbeddingSpace, *, quiet: bool) -> None:
        with tqdm(total=Photo.objects.count(), unit="photo", desc=f"Weighing {space.slug}", disable=quiet) as bar:
            done = weigh_space(space, progress=bar.update)
        if not done:
            raise CommandError(f"A worker is weighing {space.slug} at this moment.")
        self.stdout.write(f"Weighed the segments of {space.slug}.")
