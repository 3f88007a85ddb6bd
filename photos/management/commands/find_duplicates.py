"""`manage.py find_duplicates`: which photos are nearly the same."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from photos.models import Photo, PhotoState
from photos.services import duplicates


class Command(BaseCommand):
    help = "Look for near-duplicates of every photo, as happens by itself when a photo is indexed. May be repeated."

    def handle(self, *args: Any, **options: Any) -> None:
        total = Photo.objects.filter(state=PhotoState.READY).count()
        with tqdm(total=total, unit="photo", desc="Comparing", disable=options["verbosity"] == 0) as bar:
            pairs = duplicates.find_all(progress=bar.update)
        self.stdout.write(f"{pairs} pairs of near-duplicates; curators decide on them in the admin.")
