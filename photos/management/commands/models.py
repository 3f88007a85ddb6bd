"""`manage.py models`: which models there are, and which one searches use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError
from tqdm import tqdm

from photos.errors import CollectionError
from photos.models import EmbeddingSpace
from photos.models.embedding import SpaceState
from photos.services import automatic_switch, switching
from photos.services.spaces import remaining_photos, retire_space, space_statistics, tell_changed_settings
from photos.vision import catalogue, weights
from photos.vision.commands.fetch import fetch_with_bar
from photos.vision.errors import VisionError
from photos.vision.types import WeightFile

_LOOK_EVERY_S: Final = 0.5
_PATIENCE_S: Final = 15.0
_POLITENESS: Final = 10
"""Of the automatic switch: visitors' questions come first."""


class Command(BaseCommand):
    help = "List, fetch and verify models; fill an embedding space beside the active one, and swap."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
        commands.add_parser("list", help="all models with their weights, and all spaces with their progress")
        fetch = commands.add_parser("fetch", help="download weights; a broken download is taken up again")
        fetch.add_argument("names", nargs="+", metavar="MODEL", help="a model, or one weight file")
        verify = commands.add_parser("verify", help="compare weights with their pinned digests")
        verify.add_argument("names", nargs="*", metavar="MODEL", help="default: all that are here")
        for name, text in (
            ("activate", "fill a space beside the active one, then let searches use it"),
            ("build", "the same without the swap"),
        ):
            switch = commands.add_parser(name, help=text)
            switch.add_argument("slug", help="the space; named like an encoder, it is made with that one")
            switch.add_argument("--encoder", default="", help="default: the one of the space's name")
            switch.add_argument("--segmenter", default="", help="default: the one that goes with the encoder")
            switch.add_argument(
                "--own-weights", action="store_true", help="take weight files that are not the pinned ones"
            )
            switch.add_argument("--no-wait", action="store_true", help="leave it building and return")
        commands.add_parser("auto", help="what `manage.py up` runs: switch to SAM and CLIP, unless that is done")
        retire = commands.add_parser("retire", help="drop a space's vectors for good")
        retire.add_argument("slug")

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(options)
        except (VisionError, CollectionError, OSError) as exc:
            raise CommandError(str(exc)) from exc
        except ProgrammingError as exc:
            raise CommandError(
                "The database is not prepared yet; `manage.py up` or `manage.py prepare` does it."
            ) from exc

    # --- weights ----------------------------------------------------------------------------------------

    def _list(self, _options: dict[str, Any]) -> None:
        self.stdout.write(f"Weights are kept in {weights.model_dir()}")
        for model in catalogue.known_models():
            what = f"{model.dimensions} dimensions" if model.dimensions else "segments"
            parts = [f"{model.slug:<28} {what:<16}", f"{model.license:<11}", *map(_told, model.weights)]
            self.stdout.write("  " + " ".join(parts if model.weights else [*parts, "no weights"]).rstrip())
        self.stdout.write("Spaces:")
        for space in EmbeddingSpace.objects.order_by("id"):
            found = space_statistics(space)
            refused = f", {found.refused} that cannot be described" if found.refused else ""
            self.stdout.write(
                f"  {space.slug:<28} {space.state:<9} {space.encoder} with {space.segmenter}:"
                f" {found.photos} photos, {found.segments} segments, {found.remaining} to go{refused}"
            )
            if space.state != SpaceState.RETIRED and (changed := tell_changed_settings(space)):
                self.stdout.write(f"    {changed}")

    def _fetch(self, options: dict[str, Any]) -> None:
        files = [file for name in options["names"] for file in catalogue.files_of(name)]
        self._fetch_files(dict.fromkeys(files), options)
        for file in dict.fromkeys(files):
            self.stdout.write(f"{file.name}: {weights.path_of(file)}")

    def _fetch_files(self, files: Iterable[WeightFile], options: dict[str, Any]) -> None:
        for file in files:
            fetch_with_bar(file, quiet=options["verbosity"] == 0)

    def _verify(self, options: dict[str, Any]) -> None:
        chosen = [catalogue.files_of(name) for name in options["names"]]
        here = [file for model in catalogue.known_models() for file in model.weights if weights.is_present(file)]
        files = dict.fromkeys(file for files in chosen for file in files) if chosen else dict.fromkeys(here)
        problems = 0
        for file in files:
            try:
                weights.verify(file)
                self.stdout.write(f"{file.name}: as it should be")
            except VisionError as exc:
                problems += 1
                self.stderr.write(str(exc))
        if problems:
            raise CommandError(f"{problems} of {len(files)} files are missing or not the right ones")
        if not files:
            self.stdout.write(f"There are no weights in {weights.model_dir()}.")

    # --- spaces -----------------------------------------------------------------------------------------

    def _activate(self, options: dict[str, Any]) -> None:
        space = self._start(options)
        if options["no_wait"] and not switching.try_swap(space):
            self.stdout.write(f"{space.slug} is being filled; run this again to wait for the swap.")
        elif options["no_wait"] or self._wait(space, swap=True):
            self.stdout.write(f"Searches use {space.slug} now.")
            self._tell_refused(space)

    def _build(self, options: dict[str, Any]) -> None:
        space = self._start(options)
        if not options["no_wait"] and self._wait(space, swap=False):
            self.stdout.write(f"{space.slug} is complete; `manage.py models activate {space.slug}` swaps it in.")
            self._tell_refused(space)

    def _tell_refused(self, space: EmbeddingSpace) -> None:
        if told := switching.tell_refused(space):
            self.stdout.write(told)

    def _retire(self, options: dict[str, Any]) -> None:
        space = switching.find_space(options["slug"])
        if space is None:
            raise CommandError(f"there is no space {options['slug']!r}; `manage.py models list` shows them")
        retire_space(space)
        automatic_switch.stand_down()
        self.stdout.write(f"{space.slug} is retired: its vectors are gone.")

    def _auto(self, _options: dict[str, Any]) -> None:
        os.nice(_POLITENESS)
        automatic_switch.run(self._say)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _start(self, options: dict[str, Any]) -> EmbeddingSpace:
        plan = switching.plan_space(options["slug"], encoder=options["encoder"], segmenter=options["segmenter"])
        self._fetch_files(plan.files, options)
        self.stdout.write(f"Trying {plan.encoder} with {plan.segmenter} on a drawn picture")
        switching.rehearse(plan, own_weights=options["own_weights"])
        automatic_switch.stand_down()
        return switching.start_space(plan)

    def _wait(self, space: EmbeddingSpace, *, swap: bool) -> bool:
        """Show progress until the space is complete, and swapped in; False where that was interrupted."""
        left = remaining_photos(space)
        with tqdm(total=left, unit="photo", desc=f"Describing in {space.slug}") as bar:
            changed_at = time.monotonic()
            try:
                while not (switching.try_swap(space) if swap else left == 0):
                    time.sleep(_LOOK_EVERY_S)
                    left, before = remaining_photos(space), left
                    bar.update(before - left)
                    changed_at = self._complain(changed_at, moving=left != before, bar=bar)
            except KeyboardInterrupt:
                bar.close()
                self.stdout.write(f"The workers go on filling {space.slug}; run this again to see it swapped in.")
                return False
        return True

    def _complain(self, changed_at: float, *, moving: bool, bar: Any) -> float:
        """Say now and then that nothing moves; returns when something did, or was said."""
        now = time.monotonic()
        if moving:
            return now
        if now - changed_at < _PATIENCE_S:
            return changed_at
        bar.write("Nothing was described lately. Is a worker running? `manage.py up` or `manage.py work index`")
        return now


def _told(file: WeightFile) -> str:
    size = f", {file.size / 1e6:.0f} MB" if file.size else ", size unknown"
    if not weights.is_present(file):
        return f"{file.name} (not here{size})"
    return f"{file.name} (here, {weights.path_of(file).stat().st_size / 1e6:.0f} MB)"
