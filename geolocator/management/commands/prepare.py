"""What a deployment runs before its site and workers start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from geolocator import startup


class Command(BaseCommand):
    help = "Bring the database up to date and see that an embedding space is active. Safe to run at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        migrations = startup.prepare_database()
        self.stdout.write(f"{migrations} migrations applied; the database is ready.")
