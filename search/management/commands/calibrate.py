"""`manage.py calibrate`: how much evidence means what, in this collection."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from photos.models import EmbeddingSpace
from photos.vision.errors import VisionError
from search.answers import tell_distance
from search.calibration import read_prior
from search.evaluation import calibrating
from search.evaluation.fitting import LEAST_TRIALS
from search.evaluation.held_out import measurable_photos
from search.evaluation.localisation_run import DEFAULT_LIMIT
from search.management.measuring import choose_space, run_report
from search.models import Audience, ReportPurpose


class Command(BaseCommand):
    help = (
        "Fit the probability of the same place, the threshold of an answer, the radii and the tags' cut to the public"
        " photos at public places, each asked for with itself and its near-duplicates left out. May be broken off and"
        " repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--space", help="the slug of the space; default: the active one")
        parser.add_argument("--limit", type=int, default=2 * DEFAULT_LIMIT, help="ask for so many photos at most")
        parser.add_argument("--dry-run", action="store_true", help="tell what would be fitted, and keep nothing")
        parser.add_argument("--fresh", action="store_true", help="begin anew where a run was broken off")

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
        )
        try:
            found = calibrating.calibrate(report)
        except ValueError as exc:
            raise CommandError(f"{exc}; the shipped values stay in use") from exc
        self._tell(space, found)
        if options["dry_run"]:
            self.stdout.write("Nothing was kept.")
            return
        calibrating.keep(space, found)
        self.stdout.write(self.style.SUCCESS(f"Kept, from {found.fit.trials} photos."))

    def _calibrate_tags(self, space: EmbeddingSpace, *, dry_run: bool) -> None:
        """Fit the tags' cut and keep it, whether or not places can be calibrated."""
        try:
            found = calibrating.fit_tag_cut(space)
        except VisionError as exc:
            self.stderr.write(f"The tags' cut stays as it is: {exc}")
            return
        if found is None:
            self.stdout.write(
                f"The tags' cut stays as it is: that takes {calibrating.LEAST_TAGGED} public photos with words of the"
                " vocabulary given by hand, in a space that knows words."
            )
            return
        self._head()
        self._row(f"tag cut ({found.photos} photos)", found.former_cut, found.cut)
        self._row("  F1 against tags by hand", found.former_f1, found.f1)
        if dry_run:
            self.stdout.write("The tags' cut was not kept.")
            return
        calibrating.keep_tag_cut(space, found)
        self.stdout.write(self.style.SUCCESS(f"Kept the tags' cut, from {found.photos} photos; workers tag anew."))

    def _tell(self, space: EmbeddingSpace, found: calibrating.Calibrated) -> None:
        before, after = read_prior(space.slug), found.fit.prior
        self._head()
        self._row("same place: intercept", before.same_place[0], after.same_place[0])
        self._row("  per ln(1 + fundamental inliers)", before.same_place[1], after.same_place[1])
        self._row("  per ln(1 + homography inliers)", before.same_place[2], after.same_place[2])
        self._row("further photos of a place count", before.independence, after.independence)
        self._row("least probability of an answer", before.threshold, after.threshold)
        for level, count in found.fit.by_level.items():
            radii = (tell_distance(prior.radii_m[level]) for prior in (before, after))
            self._row(f"radius, evidence {level} ({count} answers)", *radii)
        self._row("  at least, of the photos' scatter", before.scatter_share, after.scatter_share)
        for name, path in _FIGURES.items():
            self._row(name, *(_dig(measures, path) for measures in (found.before, found.after)))

    def _head(self) -> None:
        self.stdout.write(f"{'':38}{'before':>16}{'after':>16}")

    def _row(self, name: str, *values: object) -> None:
        shown = (
            f"{value:.3f}" if isinstance(value, float) else str("-" if value is None else value) for value in values
        )
        self.stdout.write(f"{name:38}" + "".join(f"{value:>16}" for value in shown))


_FIGURES = {
    "answered": ("answers", "share"),
    "answers within 100 m": ("answers", "precision", "100"),
    "truth within the circle (claimed .9)": ("coverage", "observed"),
    "refused where the place is not there": ("refusals", "refused"),
}


def _dig(measures: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = measures
    for name in path:
        value = value[name]
    return value
