"""Retrieval through the app's own search, on photos that are in the collection already.

    python -m tests.benchmarks.retrieval_app MANIFEST.csv [--kinds full crop pasted] [--match-limit N]

The manifest has the columns `file`, `label`, `group`, `kind`; a file is found in the collection by its original name.
Questions are the photos with a partner of the same label: `full` asks with the photo and leaves it out of the gallery,
`crop` with 25 to 40 % of it, `pasted` with it at half its size in a strange picture; there the photo itself is to be
found, too. Photos of the same group with another label are neither right nor wrong and left out. Prints a table of
what each stage of the search adds and, as the last line, one JSON object. Weigh the segments before
(`manage.py weigh_segments`).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from photos.models import EmbeddingSpace, Photo
    from search.candidates import Likeness, Weights
    from search.types import Query

KINDS: Final = ("full", "crop", "pasted")
REFERENCE: Final = {"full global": 0.396, "full + verification": 0.461}
"""mAP of a prototype of the classical space without segments."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the manifest."""

    label: str
    group: str
    kind: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one query did: average precision, R@1, R@5, and seconds."""

    kind: str
    average_precision: float
    recall_at_1: float
    recall_at_5: float
    seconds: float


def read_manifest(path: Path) -> dict[str, Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file"]: Row(row["label"], row["group"], row["kind"]) for row in csv.DictReader(file)}


def find_labelled(manifest: Mapping[str, Row]) -> dict[int, Row]:
    """Return the manifest's rows of the photos in the collection, by photo id."""
    from photos.models import Photo

    found = Photo.objects.filter(original_name__in=manifest).values_list("pk", "original_name")
    return {pk: manifest[name] for pk, name in found}


def judge(ranking: Iterable[int], query: int, labelled: Mapping[int, Row]) -> list[bool]:
    """Return the relevance of each ranked photo, those that do not count left out."""
    own = labelled[query]
    relevant = []
    for photo_id in ranking:
        row = labelled.get(photo_id)
        if row is not None and row.label == own.label:
            relevant.append(True)
        elif row is None or not own.group or row.group != own.group:
            relevant.append(False)
    return relevant


def make_query(photo: Photo, space: EmbeddingSpace, kind: str) -> Query | None:
    """Return the question that a photo asks, itself left out, or one that a picture made of it asks."""
    from photos.services.reading import read_photo
    from search.questions import describe_query, query_of_photo
    from search.types import Filters
    from tests.benchmarks.altered_pictures import crop, paste

    if kind == "full":
        return query_of_photo(photo, space=space, filters=Filters(exclude=(photo.pk,)))
    alter = crop if kind == "crop" else paste
    picture = alter(read_photo(str(photo.image.name)).pixels, photo.original_name)
    return describe_query(picture, space=space, filters=Filters(), progress=lambda _: None)


def run_query(
    photo: Photo, query: Query | None, space: EmbeddingSpace, stage: Stage, labelled: Mapping[int, Row], limit: int
) -> Outcome:
    from search.calibration import read_prior
    from search.evaluation.metrics import average_precision, recall_at_k
    from search.services import find_matches

    own = labelled[photo.pk]
    is_left_out = query is not None and photo.pk in query.filters.exclude
    total = sum(row.label == own.label for row in labelled.values()) - is_left_out
    began = time.perf_counter()
    found = []
    if query is not None:
        found = find_matches(
            query,
            space=space,
            viewer=None,
            limit=limit,
            prior=read_prior(space.slug),
            weights=stage.weights,
            likeness=stage.likeness,
            verified=stage.verified,
        )
    relevant = judge([match.photo_id for match in found], photo.pk, labelled)
    return Outcome(
        own.kind,
        average_precision(relevant, total),
        recall_at_k(relevant, 1),
        recall_at_k(relevant, 5),
        time.perf_counter() - began,
    )


@dataclass(frozen=True, slots=True)
class Stage:
    """One more part of the search: `weights` None are the space's own."""

    name: str
    weights: Weights | None
    likeness: Likeness
    verified: int


def stages() -> list[Stage]:
    from search.candidates import SIMILAR, Likeness, Weights
    from search.services import VERIFIED

    return [
        Stage("global", Weights(1.0, 0.0, 0.0), Likeness(part_worth=None), 0),
        Stage("+ segments", None, Likeness(by_distinctiveness=False), 0),
        Stage("+ distinctiveness", None, SIMILAR, 0),
        Stage("+ verification", None, SIMILAR, VERIFIED),
    ]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def print_stage(stage: str, outcomes: Sequence[Outcome]) -> None:
    groups = defaultdict(list, {"all": list(outcomes)})
    for outcome in outcomes:
        groups[outcome.kind].append(outcome)
    for kind, members in groups.items():
        figures = "  ".join(
            f"{mean([getattr(one, name) for one in members]):6.3f}"
            for name in ("average_precision", "recall_at_1", "recall_at_5")
        )
        took = mean([one.seconds for one in members]) * 1000
        print(f"{stage if kind == 'all' else '':26} {kind:14} {len(members):4}  {figures}  {took:7.1f}", flush=True)


def measure(manifest: Path, kinds: Sequence[str], limit: int) -> dict[str, dict[str, Any]]:
    from photos.models import Photo
    from photos.services.spaces import active_space

    space, labelled = active_space(), find_labelled(read_manifest(manifest))
    partners = Counter(row.label for row in labelled.values() if row.label)
    asking = [pk for pk, row in labelled.items() if partners[row.label] > 1]
    photos = list(Photo.objects.filter(pk__in=asking).order_by("pk"))
    if not photos:
        sys.exit("none of the manifest's files is in the collection; import their folder first")
    print(f"{len(photos)} queries, {Photo.objects.count()} photos, space {space.slug} ({space.segmenter})")
    print(f"{'':26} {'kind':14} {'n':>4}  {'mAP':>6}  {'R@1':>6}  {'R@5':>6}  {'ms':>7}")
    summary = {}
    for kind in kinds:
        queries = [make_query(photo, space, kind) for photo in photos]
        for stage in stages():
            outcomes = [
                run_query(photo, query, space, stage, labelled, limit)
                for photo, query in zip(photos, queries, strict=True)
            ]
            print_stage(f"{kind} {stage.name}", outcomes)
            summary[f"retrieval {kind} {stage.name}"] = summarize(f"{kind} {stage.name}", outcomes)
    return summary


def summarize(name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    ours, reference = mean([one.average_precision for one in outcomes]), REFERENCE.get(name)
    return {
        "ours": round(ours, 4),
        "reference": reference,
        "ratio": None if reference is None else round(ours / reference, 3),
        "unit": "mAP",
        "recall_at_1": round(mean([one.recall_at_1 for one in outcomes]), 4),
        "recall_at_5": round(mean([one.recall_at_5 for one in outcomes]), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--match-limit", type=int, default=100_000, help="rank so many photos (default: all)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geolocator.settings")
    import django

    django.setup()
    print(json.dumps(measure(options.manifest, options.kinds, options.match_limit)))


if __name__ == "__main__":
    main()
