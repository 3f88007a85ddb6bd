"""Revisited Oxford and Paris (Radenović et al., CVPR 2018): buildings, with easy, hard and unclear answers.

The folder, or `roxford5k` or `rparis6k` in it, holds `gnd_<name>.pkl`, which is read without running anything in it,
and the pictures in `jpg/`. A protocol says which answers count: "easy" the easy ones, "hard" the hard ones, "medium"
both; the others and the unclear ones are junk.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from search.evaluation.datasets.folders import find_first, to_box
from search.evaluation.errors import EvaluationError
from search.evaluation.plain_pickle import read_pickle
from search.evaluation.retrieval import Dataset, Query

NAMES: Final = ("roxford5k", "rparis6k")
PROTOCOLS: Final = {
    "easy": (("easy",), ("hard", "junk")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("easy", "junk")),
}


def read_revisited(folder: Path, *, name: str, protocol: str = "medium") -> Dataset:
    """Read the queries, the gallery and what answers which; raises `EvaluationError`."""
    if name not in NAMES or protocol not in PROTOCOLS:
        raise EvaluationError(f"unknown {name}, {protocol}; use {' or '.join(NAMES)} with {', '.join(PROTOCOLS)}")
    truth = f"gnd_{name}.pkl"
    path = find_first([folder / truth, folder / name / truth], dataset=name, what="its ground truth")
    found = read_pickle(path)
    try:
        gallery = tuple(map(str, found["imlist"]))
        pairs = zip(found["qimlist"], found["gnd"], strict=True)
        queries = tuple(_query(str(query), truth, gallery, protocol) for query, truth in pairs)
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise EvaluationError(f"{path} is no ground truth of {name}: {exc!r}") from exc

    def locate(one: str) -> Path:
        return path.parent / "jpg" / f"{one}.jpg"

    return Dataset(f"{name} ({protocol})", queries, gallery, locate, locate)


def _query(name: str, truth: Mapping[str, Any], gallery: tuple[str, ...], protocol: str) -> Query:
    wanted, unwanted = (
        frozenset(gallery[int(place)] for kind in kinds for place in truth[kind]) for kinds in PROTOCOLS[protocol]
    )
    x1, y1, x2, y2 = (float(side) for side in truth["bbx"])
    box = to_box((x1, y1, x2 - x1, y2 - y1), where=name)
    return Query(name, wanted, junk=unwanted - wanted, boxes=(box,), instance=name.rpartition("_")[0] or name)
