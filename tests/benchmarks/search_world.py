"""The synthetic collections in PostgreSQL, one database each, built once and kept in `BENCH_DIR`.

Beside each database lie `wholes.npy` (the global vectors, for the references), the questions with their truth, and
`built.json` with what the building took.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from django.core.management import call_command
from django.db import connection
from numpy.typing import NDArray

from geolocator.embedded import ensure_servers
from tests.benchmarks.search_places import Chunk, Floats, Views, World

if TYPE_CHECKING:
    from photos.models import EmbeddingSpace

QUICK: Final = os.environ.get("BENCH") == "quick"
SIZES: Final = {"10k": 600, "100k": 3000, "300k": 5000} if QUICK else {"10k": 10_000, "100k": 100_000, "300k": 300_000}
"""Photos of each collection; the quick ones only show that everything runs."""

WHOLES_ONLY: Final = ("300k",)
QUESTIONS: Final = 100 if QUICK else 400
SPACE: Final = "synthetic"
RARE: Final = {"rare-0-5": 200, "rare-0-05": 2000}
"""Tags that every so many photos have."""

_VERSION: Final = 1
_BUILD_MEMORY: Final = "1500MB"
_SINCE: Final = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """A built collection: its folder, the space, the ids of the photos in the order of `wholes`."""

    name: str
    folder: Path
    photo_ids: NDArray[np.int64]
    places: NDArray[np.int64]
    questions: Views
    built: dict[str, float]

    def __len__(self) -> int:
        return len(self.photo_ids)

    def wholes(self) -> Floats:
        return np.asarray(np.load(self.folder / "wholes.npy"), np.float32)

    @property
    def space(self) -> EmbeddingSpace:
        from photos.models import EmbeddingSpace

        return EmbeddingSpace.objects.get(slug=SPACE)


@contextmanager
def bench_folder() -> Iterator[Path]:
    """The folder that BENCH_DIR names, which stays, or a temporary one, with running servers in it."""
    named = os.environ.get("BENCH_DIR", "").strip()
    folder = Path(named).expanduser().absolute() if named else Path(tempfile.mkdtemp(prefix="geolocator-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # PostgreSQL does not run as root, and must reach its own folder inside
    (folder / "static").mkdir(exist_ok=True)
    try:
        with ensure_servers(folder):
            yield folder
    finally:
        if not named:
            shutil.rmtree(folder, ignore_errors=True)


def database_name(name: str) -> str:
    return f"bench_{name}_{'quick' if QUICK else 'full'}"


def open_collection(name: str, folder: Path) -> Collection:
    """Return the collection in Django's database, built where it is not there yet."""
    own = folder / database_name(name)
    call_command("migrate", verbosity=0)
    if _read_stamp(own / "loaded.json").get("version") != _VERSION:
        _load(name, own)
    if not (own / "built.json").exists():
        _index(own)
    with np.load(own / "questions.npz") as saved:
        questions = Views(**{key: saved[key] for key in Views.__slots__})
    with np.load(own / "photos.npz") as saved:
        ids, places = saved["ids"], saved["places"]
    return Collection(name, own, ids, places, questions, _read_stamp(own / "built.json"))


def _read_stamp(path: Path) -> dict[str, float]:
    return json.loads(path.read_text()) if path.exists() else {}


@dataclass(slots=True)
class _Building:
    """What was written so far; `seconds` by step."""

    ids: list[NDArray[np.int64]] = field(default_factory=list)
    places: list[NDArray[np.int64]] = field(default_factory=list)
    wholes: list[Floats] = field(default_factory=list)
    questions: list[Views] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - began


def _load(name: str, folder: Path) -> None:
    """Write everything but the HNSW indexes."""
    from photos import partitions

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    building = _Building()
    call_command("flush", verbosity=0, interactive=False)
    space, tags = _make_space(), _make_tags()
    partitions.drop_indexes(space)
    with_segments = name not in WHOLES_ONLY
    for chunk in World().photos(SIZES[name], with_segments=with_segments):
        _write_chunk(building, space, tags, chunk, with_segments=with_segments)
    _save(building, folder)


def _index(folder: Path) -> None:
    """Make the indexes: apart from the loading, so that an interrupted building goes on from here."""
    from photos import partitions
    from photos.models import EmbeddingSpace

    building = _Building(seconds=json.loads((folder / "loaded.json").read_text()))
    space = EmbeddingSpace.objects.get(slug=SPACE)
    partitions.drop_indexes(space)
    with building.timed("indexes"), connection.cursor() as cursor:
        cursor.execute(f"SET maintenance_work_mem = '{_BUILD_MEMORY}'")
        partitions.create_indexes(space)
        cursor.execute("RESET maintenance_work_mem")
    with building.timed("analyze"), connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    (folder / "built.json").write_text(json.dumps(building.seconds))


def _make_space() -> EmbeddingSpace:
    from photos import partitions
    from photos.models import EmbeddingSpace
    from tests.benchmarks.search_places import DIMENSIONS

    for former in EmbeddingSpace.objects.all():
        partitions.drop_partitions(former)
        former.delete()
    space = EmbeddingSpace.objects.create(
        slug=SPACE, encoder="clip-vit-b-32-openai", segmenter="windows", dimensions=DIMENSIONS, state="active"
    )
    partitions.create_partitions(space)
    return space


def _make_tags() -> dict[str, int]:
    from photos.models import Tag

    names = [f"city {number}" for number in range(200)] + [f"word {number}" for number in range(50)] + list(RARE)
    tags = [Tag(name=name, slug=name.replace(" ", "-"), is_place=name.startswith("city")) for name in names]
    return {tag.name: tag.pk for tag in Tag.objects.bulk_create(tags)}


def _write_chunk(
    building: _Building, space: EmbeddingSpace, tags: dict[str, int], chunk: Chunk, *, with_segments: bool
) -> None:
    from photos import vectors
    from photos.models import Photo

    photos, before = chunk.photos, sum(map(len, building.ids))
    with building.timed("photo rows"):
        rows = Photo.objects.bulk_create(_photo_rows(photos, before))
        ids = [row.pk for row in rows]
        _copy("photos_phototag", ("photo_id", "tag_id", "score", "source"), _tag_rows(photos, ids, tags, before))
    with building.timed("photo vectors"):
        vectors.write_photo_vectors(space, dict(zip(ids, photos.wholes, strict=True)))
    if with_segments:
        with building.timed("segment vectors"):
            ranked = {pk: dict(enumerate(rows)) for pk, rows in zip(ids, photos.segments, strict=True)}
            vectors.write_segment_vectors(space, ranked)
    building.ids.append(np.asarray(ids))
    building.places.append(photos.places)
    building.wholes.append(photos.wholes)
    asked = np.isin(chunk.questions.places, photos.places)
    building.questions.append(chunk.questions.take(np.flatnonzero(asked)))


def _photo_rows(photos: Views, before: int) -> list[Any]:
    """Return unsaved photos, some private, some with a point that is only approximately public."""
    from photos.models import Photo

    return [
        Photo(
            image=f"photos/{number}.jpg",
            sha256=f"{number:064x}",
            original_name=f"{number}.jpg",
            title=f"View {number} of place {place}",
            width=4000,
            height=3000,
            latitude=latitude,
            longitude=longitude,
            location_source="exif",
            taken_at=_SINCE + timedelta(days=int(days)),
            indexed_at=datetime.now(UTC),
            state="ready",
            visibility="private" if number % 33 == 0 else "public",
            location_visibility="approximate" if number % 10 == 0 else "exact",
        )
        for number, (place, (latitude, longitude), days) in enumerate(
            zip(photos.places, photos.points, photos.days, strict=True), start=before + 1
        )
    ]


def _tag_rows(photos: Views, ids: Sequence[int], tags: dict[str, int], before: int) -> Iterator[tuple[Any, ...]]:
    for number, (pk, city, place) in enumerate(zip(ids, photos.cities, photos.places, strict=True), start=before + 1):
        given = {f"city {city}", f"word {place % 50}", f"word {number % 50}"}
        given |= {name for name, every in RARE.items() if number % every == 1}
        for name in given:
            yield (pk, tags[name], 1.0, "automatic")


def _copy(table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
    from photos import vectors

    with (
        vectors.binary_cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _save(building: _Building, folder: Path) -> None:
    np.save(folder / "wholes.npy", np.concatenate(building.wholes))
    np.savez(folder / "photos.npz", ids=np.concatenate(building.ids), places=np.concatenate(building.places))
    every = Views(*(np.concatenate([getattr(one, name) for one in building.questions]) for name in Views.__slots__))
    chosen = np.random.default_rng(1).permutation(len(every))[:QUESTIONS]
    questions = every.take(chosen)
    np.savez(folder / "questions.npz", **{name: getattr(questions, name) for name in Views.__slots__})
    figures = {"version": _VERSION, "photos": sum(map(len, building.ids)), **building.seconds}
    (folder / "loaded.json").write_text(json.dumps(figures))
