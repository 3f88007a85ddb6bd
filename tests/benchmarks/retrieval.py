"""How well photos of one scene find one another, leave-one-out, by vision alone.

    python -m tests.benchmarks.retrieval FOLDER [FOLDER...] [--segmenter windows] [--encoder classical-512]

Each folder holds photos and a `manifest.csv` with at least the columns `file` and `label`, perhaps `group` and
`kind`. Photos with the same label show the same scene; photos of the same group with another label are ignored
for that query. Queries are all photos whose label another one shares; the gallery is every other photo. Prints
a table for people and, as the last line, one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photos.vision import registry
from photos.vision.describe import describe_image
from photos.vision.errors import ImageRefused
from photos.vision.images import read_image
from photos.vision.matching.verify import verify_many
from photos.vision.types import ImageDescription, LocalFeatures

MAX_SIDE = 1600
VERIFIED = 20
GLOBAL_SHARES = (1.0, 0.5, 0.3, 0.0)
"""How much of the score the global vectors have; the rest is the mean over the query's segments of each one's
best match among the candidate's vectors, the global one included."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    label: str
    group: str
    kind: str
    description: ImageDescription

    @property
    def vector(self) -> NDArray[np.float32]:
        assert self.description.embedding is not None
        return self.description.embedding

    @property
    def features(self) -> LocalFeatures:
        assert self.description.local_features is not None
        return self.description.local_features


@dataclass(frozen=True, slots=True)
class Result:
    kind: str
    average_precision: float
    first_is_right: bool
    found_in_top: bool


def average_precision(relevant: Sequence[bool]) -> float:
    """Return the mean of the precisions at each relevant rank; 0 without any."""
    precisions = [found / rank for found, rank in enumerate(_ranks(relevant), start=1)]
    return sum(precisions) / len(precisions) if precisions else 0.0


def _ranks(relevant: Sequence[bool]) -> list[int]:
    return [rank for rank, is_relevant in enumerate(relevant, start=1) if is_relevant]


def load(folders: Sequence[Path], encoder_slug: str, segmenter_slug: str) -> list[Photo]:
    """Describe every readable photo of the manifests; refused and blank ones are left out."""
    encoder, segmenter = registry.get_encoder(encoder_slug), registry.get_segmenter(segmenter_slug)
    photos = []
    for folder in folders:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            try:
                image = read_image(folder / row["file"], max_side=MAX_SIDE)
            except ImageRefused as exc:
                print(f"refused: {row['file']}: {exc}")
                continue
            description = describe_image(image, encoder=encoder, segmenter=segmenter)
            if description.embedding is not None:
                photos.append(_photo(row, description))
    return photos


def _photo(row: dict[str, str], description: ImageDescription) -> Photo:
    return Photo(row.get("label", ""), row.get("group", ""), row.get("kind", ""), description)


class Gallery:
    """All photos' vectors, stacked; scores of one query against all."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self.photos = photos
        self.globals = np.stack([photo.vector for photo in photos])
        owned = [[photo.vector, *(one.embedding for one in photo.description.segments)] for photo in photos]
        self.vectors = np.concatenate([np.stack(vectors) for vectors in owned])
        self.starts = np.cumsum([0, *(len(vectors) for vectors in owned)])[:-1]

    def scores(self, query: Photo, global_share: float) -> NDArray[np.float32]:
        whole = self.globals @ query.vector
        segments = [one.embedding for one in query.description.segments] or [query.vector]
        best = np.maximum.reduceat(np.stack(segments) @ self.vectors.T, self.starts, axis=1)
        return np.asarray(global_share * whole + (1.0 - global_share) * best.mean(axis=0), np.float32)

    def order(self, index: int, scores: NDArray[np.float32]) -> list[int]:
        """Return the candidates of photo `index`, best first."""
        query = self.photos[index]
        allowed = [other for other in range(len(self.photos)) if other != index and self._counts(query, other)]
        return sorted(allowed, key=lambda other: -float(scores[other]))

    def _counts(self, query: Photo, other: int) -> bool:
        candidate = self.photos[other]
        same_group = bool(query.group) and candidate.group == query.group
        return candidate.label == query.label or not same_group

    def verified(self, index: int, order: list[int], scores: NDArray[np.float32]) -> list[int]:
        """Re-rank the first 20 by score plus the probability that verification gives."""
        top = order[:VERIFIED]
        found = verify_many(self.photos[index].features, [self.photos[other].features for other in top])
        worth = {other: float(scores[other]) + one.p_same for other, one in zip(top, found, strict=True)}
        return sorted(top, key=lambda other: -worth[other]) + order[VERIFIED:]


def evaluate(gallery: Gallery, global_share: float, *, verification: bool) -> list[Result]:
    labels = Counter(photo.label for photo in gallery.photos if photo.label)
    results = []
    for index, query in enumerate(gallery.photos):
        if labels[query.label] < 2:
            continue
        scores = gallery.scores(query, global_share)
        order = gallery.order(index, scores)
        if verification:
            order = gallery.verified(index, order, scores)
        relevant = [gallery.photos[other].label == query.label for other in order]
        found = any(relevant[:VERIFIED])
        results.append(Result(query.kind, average_precision(relevant), relevant[0], found))
    return results


def summarise(results: Sequence[Result]) -> dict[str, float]:
    """Return mAP, recall at 1 and 20, and mAP by kind, rounded."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for result in results:
        kinds[result.kind].append(result.average_precision)
    summary = {
        "map": float(np.mean([one.average_precision for one in results])),
        "recall_1": float(np.mean([one.first_is_right for one in results])),
        "recall_20": float(np.mean([one.found_in_top for one in results])),
        **{f"map_{kind}": float(np.mean(values)) for kind, values in sorted(kinds.items()) if kind},
    }
    return {name: round(value, 3) for name, value in summary.items()}


def run(folders: Sequence[Path], encoder: str, segmenter: str) -> dict[str, dict[str, float]]:
    begun = time.perf_counter()
    photos = load(folders, encoder, segmenter)
    seconds = (time.perf_counter() - begun) / max(1, len(photos))
    print(f"{len(photos)} photos described with {encoder} and {segmenter}, {seconds:.3f} s each")
    gallery = Gallery(photos)
    report = {}
    for share in GLOBAL_SHARES:
        for verification in (False, True):
            name = f"global {share:g}, segments {1 - share:g}" + (", verified" if verification else "")
            report[name] = summarise(evaluate(gallery, share, verification=verification))
            print(f"{name:36}", "  ".join(f"{key} {value:.3f}" for key, value in report[name].items()))
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--encoder", default=registry.DEFAULT_ENCODER)
    parser.add_argument("--segmenter")
    options = parser.parse_args(arguments)
    segmenter = options.segmenter or registry.default_segmenter(options.encoder)
    print(json.dumps(run(options.folders, options.encoder, segmenter)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
