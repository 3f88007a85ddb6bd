"""Whole folders of pictures described into files, one for each, to be stopped and taken up again at any picture."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, TypeAlias

from photos.vision import configuration, registry
from photos.vision.bulk.sources import find_pictures
from photos.vision.describe import describe_image
from photos.vision.errors import ImageRefused, VisionError
from photos.vision.images import DecodedImage, read_image
from photos.vision.interchange import per_image_json
from photos.vision.tags import DEFAULT_CUT, DEFAULT_VOCABULARY, Vocabulary, embed_vocabulary, with_article
from photos.vision.types import Encoder, Segmenter

SETTINGS_NAME: Final = "extraction.json"
ERRORS_NAME: Final = "errors.jsonl"

Outcome: TypeAlias = Literal["described", "refused"]


@dataclass(frozen=True, slots=True)
class ExtractionSettings:
    """What is done with each picture.

    `batch` pictures are read ahead while one is described; `max_side` in pixels, 0 for as they are; `words` are
    the tags looked for where the encoder has a text tower, kept with a score of at least `tag_cut`.
    """

    encoder: str = registry.DEFAULT_ENCODER
    segmenter: str = ""
    batch: int = 4
    max_side: int = 1600
    words: tuple[str, ...] = tuple(word for group in DEFAULT_VOCABULARY.values() for word in group)
    tag_cut: float = DEFAULT_CUT

    def __post_init__(self) -> None:
        if self.batch < 1 or self.max_side < 0:
            raise VisionError(f"batch must be at least 1 and max_side at least 0, got {self.batch}, {self.max_side}")


@dataclass(slots=True)
class ExtractionReport:
    """Pictures described now, described before, and refused."""

    described: int = 0
    skipped: int = 0
    refused: list[tuple[Path, str]] = field(default_factory=list)


def extract_folder(
    folder: Path,
    out: Path,
    settings: ExtractionSettings,
    *,
    pictures: Sequence[Path] | None = None,
    progress: Callable[[Outcome | Literal["skipped"]], object] | None = None,
) -> ExtractionReport:
    """Describe the pictures of `folder` into `out`, under their names with ".json" added.

    What is there already is left; a picture that cannot be read is noted in `errors.jsonl` and tried again the
    next time. Raises `VisionError` for missing models, and for an `out` that was filled with other settings.
    """
    run = _Run(folder, out, settings)
    run.claim_folder()
    waiting = []
    for path in find_pictures(folder) if pictures is None else pictures:
        if run.target(path).exists():
            run.report.skipped += 1
            if progress:
                progress("skipped")
        else:
            waiting.append(path)
    for path, image in _read_ahead(waiting, settings):
        outcome = run.describe(path, image)
        if progress:
            progress(outcome)
    return run.report


class _Run:
    """Models, once there is something to describe, and where what goes."""

    def __init__(self, folder: Path, out: Path, settings: ExtractionSettings) -> None:
        self._folder, self._out, self._settings = folder, out, settings
        self._segmenter_slug = settings.segmenter or registry.default_segmenter(settings.encoder)
        self._spec = registry.get_spec(settings.encoder)
        self._encoder: Encoder = registry.get_encoder(settings.encoder)
        self._segmenter: Segmenter = registry.get_segmenter(self._segmenter_slug)
        self._vocabulary = _embed_words(self._encoder, settings.words) if self._spec.has_text else None
        self.report = ExtractionReport()

    def claim_folder(self) -> None:
        """Note what the folder is filled with, and that there are no errors yet."""
        path = self._out / SETTINGS_NAME
        described_by = self._described_by()
        if not path.exists():
            per_image_json.write_record(path, described_by)
        elif json.loads(path.read_text(encoding="utf-8")) != described_by:
            raise VisionError(f"{self._out} was filled with other settings, see {path}; name another folder")
        (self._out / ERRORS_NAME).unlink(missing_ok=True)

    def target(self, path: Path) -> Path:
        relative = path.relative_to(self._folder)
        return self._out / relative.with_name(f"{relative.name}.json")

    def describe(self, path: Path, image: DecodedImage | Exception) -> Outcome:
        if isinstance(image, Exception):
            return self._refuse(path, image)
        found = describe_image(
            image,
            encoder=self._encoder,
            segmenter=self._segmenter,
            with_local_features=False,
            with_global=configuration.current().extract_global_features,
            vocabulary=self._vocabulary,
            tag_cut=self._settings.tag_cut,
        )
        name = PurePosixPath(path.relative_to(self._folder).as_posix())
        record = per_image_json.to_record(found, image_path=name, spec=self._spec, segmenter=self._segmenter_slug)
        per_image_json.write_record(self.target(path), record)
        self.report.described += 1
        return "described"

    def _refuse(self, path: Path, error: Exception) -> Outcome:
        name = path.relative_to(self._folder).as_posix()
        line = {"image_path": name, "error": str(error), "code": getattr(error, "code", "unreadable")}
        with (self._out / ERRORS_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.report.refused.append((path, str(error)))
        return "refused"

    def _described_by(self) -> dict[str, Any]:
        words = list(self._settings.words) if self._vocabulary else []
        return {
            "model": self._spec.slug,
            "version": self._spec.version,
            "segmenter": self._segmenter_slug,
            "max_side": self._settings.max_side,
            "words": words,
            "tag_cut": self._settings.tag_cut,
            **configuration.result_settings(configuration.current()),
        }


def _embed_words(encoder: Any, words: Sequence[str]) -> Vocabulary | None:
    pairs = [(word.replace(" ", "-"), with_article(word)) for word in words]
    return embed_vocabulary(encoder, pairs) if pairs else None


def _read_ahead(paths: Sequence[Path], settings: ExtractionSettings) -> Iterator[tuple[Path, DecodedImage | Exception]]:
    """Yield each picture decoded, or why it is not, in order, reading `batch` ahead in threads."""
    waiting: deque[tuple[Path, Future[DecodedImage]]] = deque()
    remaining = iter(paths)
    with ThreadPoolExecutor(settings.batch, thread_name_prefix="read") as pool:
        try:
            while True:
                while len(waiting) < settings.batch and (path := next(remaining, None)) is not None:
                    waiting.append((path, pool.submit(read_image, path, max_side=settings.max_side or None)))
                if not waiting:
                    return
                path, reading = waiting.popleft()
                yield path, _result(reading)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _result(reading: Future[DecodedImage]) -> DecodedImage | Exception:
    try:
        return reading.result()
    except (ImageRefused, OSError) as exc:
        return exc
