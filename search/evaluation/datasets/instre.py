"""INSTRE: 250 instances among 27,293 pictures, as Iscen et al. (CVPR 2017) ask for them: 1,250 queries with boxes.

The folder holds `gnd_instre.mat` (`imlist`, `qimlist` and for each query the places, counted from 1, of its answers
and a box x, y, width, height) and the pictures under the names in it, such as `INSTRE-S1/01a_canada_book/001.jpg`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from scipy.io import loadmat

from search.evaluation.datasets.folders import require, to_box
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Dataset, Query

NAME: Final = "INSTRE"
TRUTH: Final = "gnd_instre.mat"


def read_instre(folder: Path) -> Dataset:
    """Read the queries, the gallery and what answers which; raises `EvaluationError`."""
    path = require(folder / TRUTH, dataset=NAME, what="its ground truth")
    try:
        found = loadmat(path, simplify_cells=True)
        gallery = tuple(str(one) for one in found["imlist"])
        names = [str(one) for one in found["qimlist"]]
        queries = tuple(_query(name, truth, gallery) for name, truth in zip(names, _listed(found["gnd"]), strict=True))
    except (KeyError, TypeError, ValueError, IndexError, NotImplementedError) as exc:
        raise EvaluationError(f"{path} is no ground truth of INSTRE: {exc}") from exc
    return Dataset(NAME, queries, gallery, lambda one: folder / one, lambda one: folder / one)


def _query(name: str, truth: Any, gallery: tuple[str, ...]) -> Query:
    places = [int(place) - 1 for place in _listed(truth["ok"])]
    if places and not 0 <= min(places) <= max(places) < len(gallery):
        raise ValueError(f"the answers to {name} are not all among the {len(gallery)} pictures")
    relevant = frozenset(gallery[place] for place in places)
    group, _, rest = name.partition("/")
    groups = {"set": group} if rest else {}
    box = to_box(_listed(truth["bbx"]), where=name)
    return Query(name, relevant, boxes=(box,), instance=name.rpartition("/")[0] or name, groups=groups)


def _listed(value: Any) -> list[Any]:
    """Return a list also of one value alone, as MATLAB's files tell lists of one."""
    if isinstance(value, dict):
        return [value]
    return list(value) if hasattr(value, "__len__") else [value]
