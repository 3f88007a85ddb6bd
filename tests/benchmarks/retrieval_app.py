"""Leave-one-out retrieval through the app's own search, on photos that are in the collection already.

    python -m tests.benchmarks.retrieval_app MANIFEST.csv [--match-limit N]

The manifest has the columns `file`, `label`, `group`, `kind`; a file is found in the collection by its original name.
Queries are the photos with a partner of the same label; the gallery is the whole collection without the query.
Photos of the same group with another label are neither right nor wrong and left out. Prints a table and, as the
last line, one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from photos.models import EmbeddingSpace, Photo

REFERENCE: Final = {"global": (0.396, 0.365), "+ verification": (0.461, 0.435)}
"""mAP and R@1 of a prototype of the classical space without segments."""


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


def run_query(photo: Photo, space: EmbeddingSpace, mode: Mode, labelled: Mapping[int, Row], limit: int) -> Outcome:
    from search.calibration import read_prior
    from search.candidates import weights_for
    from search.evaluation.metrics import average_precision, recall_at_k
    from search.questions import query_of_photo
    from search.services import find_matches
    from search.types import Filters

    own = labelled[photo.pk]
    total = sum(row.label == own.label for row in labelled.values()) - 1
    began = time.perf_counter()
    query = query_of_photo(photo, space=space, filters=Filters(exclude=(photo.pk,)))
    found = []
    if query is not None:
        found = find_matches(
            query,
            space=space,
            viewer=None,
            limit=limit,
            prior=read_prior(space.slug),
            weights=mode.weights or weights_for(space),
            verified=mode.verified,
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
class Mode:
    """One way to search: `weights` None are the space's own."""

    name: str
    weights: Any
    verified: int


def modes() -> list[Mode]:
    from search.candidates import Weights
    from search.services import VERIFIED

    alone = Weights(1.0, 0.0, 0.0)
    return [
        Mode("global", alone, 0),
        Mode("+ segments", None, 0),
        Mode("+ verification", None, VERIFIED),
        Mode("global + verification", alone, VERIFIED),
    ]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def print_mode(mode: str, outcomes: Sequence[Outcome]) -> None:
    groups = defaultdict(list, {"all": list(outcomes)})
    for outcome in outcomes:
        groups[outcome.kind].append(outcome)
    for kind, members in groups.items():
        figures = "  ".join(
            f"{mean([getattr(one, name) for one in members]):6.3f}"
            for name in ("average_precision", "recall_at_1", "recall_at_5")
        )
        took = mean([one.seconds for one in members]) * 1000
        print(f"{mode if kind == 'all' else '':22} {kind:14} {len(members):4}  {figures}  {took:7.1f}")


def measure(manifest: Path, limit: int) -> dict[str, dict[str, Any]]:
    from photos.models import Photo
    from photos.services.spaces import active_space

    space, labelled = active_space(), find_labelled(read_manifest(manifest))
    partners: dict[str, int] = defaultdict(int)
    for row in labelled.values():
        partners[row.label] += 1
    queries = Photo.objects.filter(pk__in=[pk for pk, row in labelled.items() if partners[row.label] > 1]).order_by(
        "pk"
    )
    photos = list(queries)
    if not photos:
        sys.exit("none of the manifest's files is in the collection; import their folder first")
    print(f"{len(photos)} queries, {Photo.objects.count()} photos, space {space.slug} ({space.segmenter})")
    print(f"{'':22} {'kind':14} {'n':>4}  {'mAP':>6}  {'R@1':>6}  {'R@5':>6}  {'ms':>7}")
    summary = {}
    for mode in modes():
        outcomes = [run_query(photo, space, mode, labelled, limit) for photo in photos]
        print_mode(mode.name, outcomes)
        summary[f"retrieval {mode.name}"] = summarize(mode.name, outcomes)
    return summary


def summarize(mode: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    ours = mean([one.average_precision for one in outcomes])
    reference = REFERENCE.get(mode, (None, None))[0]
    return {
        "ours": round(ours, 4),
        "reference": reference,
        "ratio": None if reference is None else round(ours / reference, 3),
        "unit": "mAP",
        "recall_at_1": round(mean([one.recall_at_1 for one in outcomes]), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--match-limit", type=int, default=100_000, help="rank so many photos (default: all)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geolocator.settings")
    import django

    django.setup()
    print(json.dumps(measure(options.manifest, options.match_limit)))


if __name__ == "__main__":
    main()
