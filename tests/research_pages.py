"""Small data in the places that the pages of docs/research name, and the blocks that the pages show."""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from photos.vision.interchange.ilias_hdf5 import FeatureFileWriter
from photos.vision.interchange.soir_files import Annotation, ObjectMasks, encode_row_major, write_anns, write_captions
from search.evaluation.datasets.ilias import read_ilias
from tests.search.ilias_files import DIMENSIONS, INSTANCES, make_ilias
from tests.search.test_datasets import make_instre, make_revisited, make_voxdet

PAGES = Path(__file__).resolve().parent.parent / "docs" / "research"
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


OXFORD = ("all_souls_000013", "all_souls_000026", "oxford_002985", "radcliffe_000001")


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the language and the text of each block that a reader may run."""
    return [(found[1], found[2]) for found in _BLOCK.finditer((PAGES / page).read_text(encoding="utf-8"))]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each line, with what `*` stands for as a shell would put it."""
    for line in text.splitlines():
        words = [word for part in shlex.split(line, comments=True) for word in _expanded(part)]
        if words:
            yield words


def _expanded(word: str) -> list[str]:
    return sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word]


def make_data(folder: Path) -> None:
    """Make what the pages name, as if each reader had come from the page before."""
    make_ilias(folder / "ilias")
    (folder / "features").mkdir()
    for path in (folder / "ilias").glob("features_*.hdf5"):
        path.rename(folder / "features" / path.name)
    _make_pictures(folder / "ilias")
    _make_training(folder)
    (folder / "chosen.txt").write_text("00000.tar/0000000001,first\n00001.tar/0000000016,second\n")
    _make_runs(folder)
    write_anns(
        folder / "anns.pt", {"q": Annotation(True, (1,)), "a": Annotation(False, (1,)), "b": Annotation(False, (2,))}
    )
    mask = np.zeros((8, 9), bool)
    mask[2:5, 3:7] = True
    objects = ObjectMasks(((3, 2, 7, 5),), (0.5,), (encode_row_major(mask),), (9, 8))
    write_captions(folder / "captions.pt", {"a.jpg": objects})
    for name, make in (("instre", make_instre), ("oxford", make_revisited), ("voxdet", make_voxdet)):
        (folder / name).mkdir()
        make(folder / name)
    for name in ("S1/01a_book/001", "S1/01a_book/002", "S1/01a_book/013", "M/01/001", "S2/02_cup/001"):
        _save(folder / "instre" / f"INSTRE-{name}.jpg", seed=len(name))
    for seed, name in enumerate([*OXFORD, "all_souls_000051"]):
        _save(folder / "oxford" / "roxford5k" / "jpg" / f"{name}.jpg", seed=seed, size=(720, 960))


def _make_pictures(folder: Path) -> None:
    data = read_ilias(folder, distractors=True).dataset
    names = [query.id for query in data.queries if query.id.endswith(".jpg")]
    for number, name in enumerate([*names, *(one for one in data.gallery if one.endswith(".jpg"))]):
        _save(folder / "ilias_core" / name, seed=number)
    (folder / "yfcc100m").mkdir()
    for shard in range(2):
        with tarfile.open(folder / "yfcc100m" / f"{shard:05d}.tar", "w") as tar:
            for name in data.gallery:
                if name.startswith(f"{shard:05d}.tar/"):
                    picture = _jpeg(seed=int(name[-3:]))
                    told = tarfile.TarInfo(f"{name.partition('/')[2]}.jpg")
                    told.size = len(picture)
                    tar.addfile(told, io.BytesIO(picture))


def _make_training(folder: Path) -> None:
    random = np.random.default_rng(5)
    labels = np.repeat(np.arange(30), 4)
    rows = random.standard_normal((30, DIMENSIONS))[labels] + random.standard_normal((120, DIMENSIONS))
    names = [f"train/{number}.jpg" for number in range(120)]
    with FeatureFileWriter(folder / "features" / "features_train.hdf5") as writer:
        writer.append(names, rows / np.linalg.norm(rows, axis=1, keepdims=True))
        writer.finish()
    lines = (f"{name},{label % 10},{label // 10}\n" for name, label in zip(names, labels, strict=True))
    (folder / "labels.csv").write_text("".join(lines))


def _make_runs(folder: Path) -> None:
    """Similarities for the page that measures, as if from the page that searches."""
    instances = list(INSTANCES)
    row = {f"{one}/pos/P{one[-3:]}_00.jpg": 0.9 - 0.1 * place for place, one in enumerate(instances)}
    queries = [f"{one}/query/Q{one[-3:]}_{number:02d}.jpg" for one in instances for number in range(2)]
    (folder / "run.json").write_text(json.dumps(dict.fromkeys(queries, row)))
    ranks = np.array([list(range(len(row)))[::-1]] * len(queries))
    values = np.array([[0.9, 0.8, 0.7]] * len(queries))
    np.savez(folder / "expanded.npz", query_ids=queries, db_ids=list(row), similarities=values, ranks=ranks)
    (folder / "soir.json").write_text(json.dumps({"q": {"b": 0.9, "a": 0.4}}))


def _save(path: Path, *, seed: int, size: tuple[int, int] = (96, 72)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_jpeg(seed=seed, size=size))


def _jpeg(*, seed: int, size: tuple[int, int] = (96, 72)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()
