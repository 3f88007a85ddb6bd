"""`manage.py retag`: tags from the words of today and the vectors of yesterday."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from photos.models import Photo
from photos.services import vocabulary
from photos.vision.errors import VisionError


class Command(BaseCommand):
    help = "Tag all photos anew from their stored vectors, as happens by itself when the vocabulary changes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--default-words", action="store_true", help="put the default words into the vocabulary first"
        )

    def handle(self, *args: Any, default_words: bool, **options: Any) -> None:
        if default_words:
            self.stdout.write(f"Added {vocabulary.add_default_words()} words.")
        space = vocabulary.tagging_space()
        if space is None:
            raise CommandError("No space here knows words; `manage.py models activate clip-vit-b-32-openai` makes one.")
        vocabulary.start_anew(space)
        with tqdm(total=Photo.objects.count(), unit="photo", desc="Tagging", disable=options["verbosity"] == 0) as bar:
            try:
                done = vocabulary.retag(space, progress=bar.update)
            except VisionError as exc:
                raise CommandError(str(exc)) from exc
        if not done:
            raise CommandError("A worker is tagging at this moment; it goes on with the words of now.")
        self.stdout.write(f"Tagged the photos with {len(vocabulary.words())} words in {space.slug}.")
