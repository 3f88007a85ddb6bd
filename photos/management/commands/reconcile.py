"""`manage.py reconcile`: find lost work now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from photos.services import indexing, sweeping


class Command(BaseCommand):
    help = "Requeue the work that was lost, as the workers do by themselves; with --sweep, clean up files too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sweep", action="store_true", help="delete files without a photo, report the reverse")
        parser.add_argument("--dry-run", action="store_true", help="with --sweep: only say what would be deleted")

    def handle(self, *args: Any, sweep: bool, dry_run: bool, **options: Any) -> None:
        counts = indexing.reconcile()
        for name, count in counts.items():
            self.stdout.write(f"{name}: {count}")
        if not counts:
            self.stdout.write("A worker is reconciling at this moment.")
        if sweep:
            self._sweep(dry_run)

    def _sweep(self, dry_run: bool) -> None:
        report = sweeping.sweep(dry_run=dry_run)
        for name in report.orphans:
            self.stdout.write(f"{'would delete' if dry_run else 'deleted'} {name}")
        for photo_id in report.missing:
            self.stdout.write(f"photo {photo_id} lacks its file")
        self.stdout.write(f"orphans: {len(report.orphans)}, missing: {len(report.missing)}")
