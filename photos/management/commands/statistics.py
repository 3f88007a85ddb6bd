"""`manage.py statistics`: how much there is, and how far it has come."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser

from photos.models import EmbeddingSpace
from photos.models.embedding import SpaceState
from photos.services.spaces import remaining_photos
from photos.statistics import collect_statistics


class Command(BaseCommand):
    help = "Count the photos by state and the vectors by space."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        statistics = collect_statistics(viewer=User(is_staff=True))  # the shell sees everything
        current = EmbeddingSpace.objects.exclude(state=SpaceState.RETIRED)
        remaining = {space.slug: remaining_photos(space) for space in current}
        for space in statistics["spaces"]:
            space["remaining"] = remaining.get(space["slug"], 0)
        self.stdout.write(json.dumps(statistics, indent=2) if as_json else self._table(statistics))

    def _table(self, statistics: dict[str, Any]) -> str:
        lines = [f"{statistics['photos']:>9} photos, described on {statistics['device']}"]
        lines += [f"{count:>9} {state}" for state, count in statistics["by_state"].items()]
        for space in statistics["spaces"]:
            lines.append(
                f"{space['slug']} ({space['state']}, {space['dimensions']} dimensions): {space['photos']} photos,"
                f" {space['segments']} segments, {space['remaining']} photos to go"
            )
        return "\n".join(lines)
