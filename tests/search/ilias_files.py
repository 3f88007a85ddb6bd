"""A small ILIAS of our own, in its real layout: ids, features of known similarity, taxonomy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from photos.vision.interchange.ilias_hdf5 import FeatureFileWriter, feature_file_name

INSTANCES = {"merry_cup_001": "product", "old_tower_002": "landmark", "tall_arch_003": "landmark"}
DIMENSIONS = 16


def make_ilias(folder: Path) -> Path:
    """Two image queries and one in words of each instance, three positives, 30 distractors in two files."""
    random = np.random.default_rng(7)
    queries, texts, positives = [], [], []
    vectors = {}
    for instance in INSTANCES:
        centre = random.standard_normal(DIMENSIONS)
        for number in range(2):
            queries.append(f"{instance}/query/Q{instance[-3:]}_{number:02d}.jpg")
            vectors[queries[-1]] = centre + 0.9 * random.standard_normal(DIMENSIONS)
        texts.append(f"{instance}/query/T{instance[-3:]}.txt")
        vectors[texts[-1]] = centre + 2.0 * random.standard_normal(DIMENSIONS)
        for number in range(3):
            positives.append(f"{instance}/pos/P{instance[-3:]}_{number:02d}.jpg")
            vectors[positives[-1]] = centre + 0.9 * random.standard_normal(DIMENSIONS)
    distractors = [f"{number // 15:05d}.tar/{number:010d}" for number in range(30)]
    vectors |= {one: random.standard_normal(DIMENSIONS) for one in distractors}
    _write_lists(folder, queries, texts, positives, distractors)
    _write(folder / feature_file_name("image_queries"), queries, vectors)
    _write(folder / feature_file_name("text_queries"), texts, vectors)
    _write(folder / feature_file_name("positives"), positives, vectors)
    for shard in range(2):
        _write(folder / feature_file_name("distractors", shard), distractors[15 * shard :][:15], vectors)
    return folder


def _write_lists(
    folder: Path, queries: list[str], texts: list[str], positives: list[str], distractors: list[str]
) -> None:
    ids = folder / "image_ids"
    ids.mkdir(parents=True)
    (ids / "image_query_ids.txt").write_text("".join(f"{one},5,6,70,80\n" for one in queries))
    (ids / "text_query_ids.txt").write_text("".join(f"{one}\n" for one in texts))
    lines = [f"{one},{0.05 + 0.1 * (place % 3)},{10 * (1 + place % 3)}\n" for place, one in enumerate(positives)]
    (ids / "positive_ids.txt").write_text("".join(lines))
    with gzip.open(ids / "distractor_ids.txt.gz", "wt") as file:
        file.writelines(f"{one}\n" for one in distractors)
    taxonomy: dict[str, dict[str, dict[str, list[str]]]] = {}
    for instance, category in INSTANCES.items():
        taxonomy.setdefault(category, {"thing": {"other": []}})["thing"]["other"].append(instance)
    (folder / "misc").mkdir()
    (folder / "misc" / "taxonomy.json").write_text(json.dumps(taxonomy))


def _write(path: Path, ids: list[str], vectors: dict[str, np.ndarray]) -> None:
    rows = np.stack([vectors[one] / np.linalg.norm(vectors[one]) for one in ids])
    with FeatureFileWriter(path) as writer:
        writer.append(ids, rows)
        writer.finish()
