"""VoxDet as SoIR asks for it, and any other data set with an `anns.pt` (https://github.com/pihash2k/VoxDet-SoIR).

The folder holds `anns.pt`, whose keys are paths of pictures, as they were on the machine that made it: those under
`OWID/` and `RoboTools/` are looked for in the folder, relative ones too.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from photos.vision.interchange.soir_files import read_anns
from search.evaluation.datasets.folders import require
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Dataset
from search.evaluation.soir import to_queries

NAME: Final = "VoxDet-SoIR"
SUBSETS: Final = ("OWID", "RoboTools", "all")


def read_voxdet_soir(folder: Path, *, subset: str = "all") -> Dataset:
    """Read the queries and gallery of one part or all; raises `EvaluationError` and `InterchangeError`."""
    if subset not in SUBSETS:
        raise EvaluationError(f"unknown subset {subset!r}; use {', '.join(SUBSETS)}")
    anns = read_anns(require(folder / "anns.pt", dataset=NAME, what="its annotations"))
    kept = {name: found for name, found in anns.items() if subset in {"all", found.subset}}
    gallery = tuple(name for name, found in kept.items() if not found.is_query)
    return Dataset(
        NAME, tuple(to_queries(kept)), gallery, lambda one: _locate(folder, one), lambda one: _locate(folder, one)
    )


def _locate(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    for known in SUBSETS[:2]:
        if known in parts:
            return folder.joinpath(*parts[parts.index(known) :])
    return folder / name
