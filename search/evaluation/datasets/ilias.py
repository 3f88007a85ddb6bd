"""ILIAS: instances to be found among a hundred million pictures (https://vrg.fel.cvut.cz/ilias).

The lists of ids, in `image_ids/`, are enough to evaluate: `image_query_ids.txt` (id, box), `text_query_ids.txt`,
`positive_ids.txt` (id, scale of the object, clutter) and `distractor_ids.txt.gz`. An id begins with its instance.
Pictures are `ilias_core/<id>` and, for the distractors, `yfcc100m/<tar>/<key>`. Where `<query>_bbox.txt` lies beside
a query's picture, all boxes in it are the query's, as in ILIAS's own crop, in the place of the list's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from photos.vision.interchange.lists import read_rows
from search.evaluation.datasets.folders import find_first, read_boxes, to_box
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Dataset, Query

NAME: Final = "ILIAS"


@dataclass(frozen=True, slots=True)
class Ilias:
    """Queries and gallery, and of each positive the object's share of the picture and how many objects are around.

    The gallery holds the distractors only where they were asked for.
    """

    dataset: Dataset
    scales: Mapping[str, float]
    clutter: Mapping[str, int]


def read_ilias(folder: Path, *, taxonomy: Path | None = None, distractors: bool = False) -> Ilias:
    """Read the lists in `folder` or in its `image_ids`; raises `EvaluationError`.

    `taxonomy` is ILIAS's `taxonomy.json`, by default looked for beside the lists: queries get their groups from it.
    """
    ids = find_first(
        [folder / "image_ids" / "image_query_ids.txt", folder / "image_query_ids.txt"],
        dataset=NAME,
        what="its lists of ids",
    ).parent
    positives = {row[0]: row[1:] for row in read_rows(_list(ids, "positive_ids.txt"))}
    relevant: dict[str, set[str]] = {}
    for one in positives:
        relevant.setdefault(_instance(one), set()).add(one)
    answers = {instance: frozenset(ones) for instance, ones in relevant.items()}
    groups = _read_taxonomy(taxonomy or _find_taxonomy(ids))
    gallery = [*sorted(positives), *(_read_distractors(ids) if distractors else ())]
    core = folder / "ilias_core"
    dataset = Dataset(
        NAME,
        tuple(_read_queries(ids, answers, groups, core)),
        tuple(gallery),
        locate_query=lambda one: core / one,
        locate_gallery=lambda one: folder / ("yfcc100m" if ".tar/" in one else "ilias_core") / one,
    )
    return Ilias(dataset, *_read_traits(ids, positives))


def _read_queries(
    ids: Path, answers: Mapping[str, frozenset[str]], groups: Mapping[str, Mapping[str, str]], core: Path
) -> Iterator[Query]:
    for file, kind in (("image_query_ids.txt", "image"), ("text_query_ids.txt", "text")):
        path = ids / file
        for name, *box in sorted(read_rows(path)) if path.exists() else ():
            instance = _instance(name)
            beside = read_boxes((core / name).with_name(f"{Path(name).stem}_bbox.txt"))
            boxes = beside or ((to_box(box, where=f"{path}, {name}"),) if box else ())
            told = {"query": kind, **groups.get(instance, {})}
            yield Query(name, answers.get(instance, frozenset()), boxes=boxes, instance=instance, groups=told)


def _read_traits(ids: Path, positives: Mapping[str, list[str]]) -> tuple[dict[str, float], dict[str, int]]:
    told = {one: traits for one, traits in positives.items() if len(traits) >= 2}
    try:
        return {one: float(traits[0]) for one, traits in told.items()}, {one: int(t[1]) for one, t in told.items()}
    except ValueError as exc:
        raise EvaluationError(f"{ids / 'positive_ids.txt'}: expected id, scale, clutter: {exc}") from exc


def _read_distractors(ids: Path) -> Iterator[str]:
    for row in read_rows(_list(ids, "distractor_ids.txt.gz", "mini_ilias_yfcc100m_ids.txt")):
        yield row[0]


def _read_taxonomy(path: Path | None) -> dict[str, dict[str, str]]:
    """Return for each instance its coarse and middle group of a file `{coarse: {middle: {fine: [instance]}}}`."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(instance): {"category": coarse, "subcategory": f"{coarse}-{middle}"}
            for coarse, middles in found.items()
            for middle, fines in middles.items()
            for instances in fines.values()
            for instance in instances
        }
    except (OSError, ValueError, AttributeError, TypeError) as exc:
        raise EvaluationError(f"{path} is no taxonomy of ILIAS: {exc}") from exc


def _find_taxonomy(ids: Path) -> Path | None:
    places = (base / name for base in (ids, ids.parent) for name in ("taxonomy.json", "misc/taxonomy.json"))
    return next((path for path in places if path.is_file()), None)


def _list(ids: Path, *names: str) -> Path:
    return find_first([ids / name for name in names], dataset=NAME, what=f"its list {names[0]}")


def _instance(name: str) -> str:
    return name.split("/", 1)[0]
