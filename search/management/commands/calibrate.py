"""`manage.py calibrate`: how much evidence means what, in this collection."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from photos.models import EmbeddingSpace
from photos.vision.errors import VisionError
from search.evaluation import calibrating
from search.evaluation.fitting import LEAST_TRIALS
from search.evaluation.held_out import measurable_photos
from search.evaluation.tag_cuts import LEAST_TAGGED, fit_tag_cut, keep_tag_cut
from search.management.measuring import choose_space, run_report
from search.models import Audience, ReportPurpose
from search.telling_calibration import tell_changes


class Command(BaseCommand):
    help = (
        "Fit the probability of the same place, the threshold of an answer, the radii and the tags' cut to the public"
        " photos at public places, each asked for with itself and its near-duplicates left out. May be broken off: the"
        " workers go on with it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--space", help="the slug of the space; default: the active one")
        parser.add_argument(
            "--limit", type=int, default=calibrating.TRIALS_LIMIT, help="ask for so many photos at most"
        )
        parser.add_argument("--dry-run", action="store_true", help="tell what would be fitted, and keep nothing")
        parser.add_argument("--fresh", action="store_true", help="begin anew, though a run is under way")

    def handle(self, *args: Any, **options: Any) -> None:
        space = choose_space(options["space"])
        self._calibrate_tags(space, dry_run=options["dry_run"])
        there = measurable_photos(space, Audience.EVERYONE).count()
        if there < LEAST_TRIALS:
            self.stdout.write(
                f"{there} public photos with known places are described in {space.slug!r}; calibrating places needs"
                f" {LEAST_TRIALS}. The shipped values stay in use."
            )
            return
        report = run_report(
            space,
            purpose=ReportPurpose.CALIBRATION,
            audience=Audience.EVERYONE,
            quiet=options["verbosity"] == 0,
            limit=options["limit"],
            fresh=options["fresh"],
            finish=calibrating.finish,
        )
        if report.fit is None:
            raise CommandError(f"{report.error}; the values in use stay")
        self._tell(report.fit)
        if options["dry_run"]:
            self.stdout.write("Nothing was kept; the accuracy page offers it to curators.")
            return
        calibrating.keep(report)
        self.stdout.write(self.style.SUCCESS(f"Kept, from {report.fit['trials']} photos."))

    def _calibrate_tags(self, space: EmbeddingSpace, *, dry_run: bool) -> None:
        """Fit the tags' cut and keep it, whether or not places can be calibrated."""
        try:
            found = fit_tag_cut(space)
        except VisionError as exc:
            self.stderr.write(f"The tags' cut stays as it is: {exc}")
            return
        if found is None:
            self.stdout.write(
                f"The tags' cut stays as it is: that takes {LEAST_TAGGED} public photos with words of the"
                " vocabulary given by hand, in a space that knows words."
            )
            return
        self._head()
        self._row(f"tag cut ({found.photos} photos)", found.former_cut, found.cut)
        self._row("  F1 against tags by hand", found.former_f1, found.f1)
        if dry_run:
            self.stdout.write("The tags' cut was not kept.")
            return
        keep_tag_cut(space, found)
        self.stdout.write(self.style.SUCCESS(f"Kept the tags' cut, from {found.photos} photos; workers tag anew."))

    def _tell(self, fit: dict[str, Any]) -> None:
        self._head()
        for change in tell_changes(fit):
            self._row(change.name, change.before, change.after)

    def _head(self) -> None:
        self.stdout.write(f"{'':54}{'before':>16}{'after':>16}")

    def _row(self, name: str, *values: object) -> None:
        shown = (
            f"{value:.3f}" if isinstance(value, float) else str("-" if value is None else value) for value in values
        )
        self.stdout.write(f"{name:54}" + "".join(f"{value:>16}" for value in shown))
