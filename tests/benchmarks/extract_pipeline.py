"""Files of features into a searchable space: `python -m tests.benchmarks.extract_pipeline COUNT FOLDER`.

Ids that name photos, vectors of 512 numbers, ten files, the real COPY and the real index. The reference writes batches
of the same rows into the index that is there already. Run by `tests.benchmarks.extract` on a database of its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geolocator.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - Django is set up first
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402
from psycopg import sql  # noqa: E402

from photos import vectors  # noqa: E402
from photos.models import EmbeddingSpace, Photo, PhotoState  # noqa: E402
from photos.services.feature_import import import_features  # noqa: E402
from photos.services.spaces import create_space, retire_space  # noqa: E402
from photos.vision.interchange.feature_files import open_writer  # noqa: E402

DIMENSIONS: Final = 512
FILES: Final = 10
AT_ONCE: Final = 2000


def main(count: int, folder: Path) -> None:
    call_command("migrate", verbosity=0)
    ids = [str(uuid.UUID(int=number, version=4)) for number in range(1, count + 1)]
    own = folder / f"pipeline-{count}"
    began = time.perf_counter()
    paths = write_files(own, ids)
    files_s = time.perf_counter() - began
    make_photos(ids)
    space = create_space("pipeline", encoder="classical-512")
    began = time.perf_counter()
    report = import_features(paths, space)
    import_s = time.perf_counter() - began
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = peak_mib(str(cursor.fetchone()[0]))
    found = count_found(space, ids)
    own_peak = peak_mib("self")
    reference_s = batches_into_index(count)
    plain = f"batches into the index: about {reference_s:.0f} s"
    print(f"pipeline: {count} vectors; {FILES} files written in {files_s:.1f} s, COPY and index {import_s:.1f} s")
    print(f"({plain}); {found:.0%} of 100 find themselves first; peak {own_peak} MiB here, {server} MiB in PostgreSQL")
    ours = {"ours": round(import_s, 2), "reference": round(reference_s, 2), "ratio": round(reference_s / import_s, 2)}
    memory = {"unit": "s", "vectors": report.written, "peak_mib": own_peak, "server_peak_mib": server}
    retire_space(space)
    print(json.dumps({"extract_to_space": {**ours, **memory}}))
    if report.written != count or found < 0.9 or own_peak > 2048:
        raise SystemExit("the pipeline is not what it promises")


def vectors_of(start: int, count: int) -> Any:
    """Return (count, 512) float32 around one of 200 directions each, the same for the same numbers."""
    directions = np.random.default_rng(0).standard_normal((200, DIMENSIONS), np.float32)
    noise = np.random.default_rng(start + 1).standard_normal((count, DIMENSIONS), np.float32)
    rows = directions[np.arange(start, start + count) % 200] + 0.7 * noise
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_files(folder: Path, ids: list[str]) -> list[Path]:
    size = len(ids) // FILES
    paths = []
    for number in range(FILES):
        with open_writer(folder / f"features_{number:05}.hdf5") as writer:
            for start in range(number * size, (number + 1) * size, AT_ONCE):
                stop = min(start + AT_ONCE, (number + 1) * size)
                writer.append(ids[start:stop], vectors_of(start, stop - start))
            paths.append(writer.finish())
    return paths


def make_photos(ids: list[str]) -> None:
    for start in range(0, len(ids), AT_ONCE):
        Photo.objects.bulk_create(
            Photo(
                uuid=one,
                image=f"p/{one}.jpg",
                sha256=one.replace("-", "").zfill(64),
                width=640,
                height=480,
                state=PhotoState.READY,
                indexed_at=timezone.now(),
            )
            for one in ids[start : start + AT_ONCE]
        )


def count_found(space: EmbeddingSpace, ids: list[str]) -> float:
    """Return the share of 100 photos whose own vector finds them first."""
    query = sql.SQL("%(query)s::halfvec")
    statement = vectors.nearest_photos_sql(space, query=query, limit=1)
    right = 0
    asked = np.linspace(0, len(ids) - 1, 100).astype(int)
    for number in asked.tolist():
        row = _row(number, len(ids) // FILES)
        with vectors.binary_cursor() as cursor:
            cursor.execute(statement, {"query": vectors.as_parameter(row)})
            nearest = cursor.fetchone()
        right += bool(nearest) and str(Photo.objects.get(pk=nearest[0]).uuid) == ids[number]  # type: ignore[index]
    return right / len(asked)


def _row(number: int, size: int) -> Any:
    first = number // size * size
    start = first + (number - first) // AT_ONCE * AT_ONCE
    return vectors_of(start, min(AT_ONCE, first + size - start))[number - start]


def peak_mib(process: str) -> int:
    """Return the most memory that a process had, 0 where that cannot be seen."""
    path = Path(f"/proc/{process}/status")
    if not path.exists():
        return 0
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("VmHWM")) // 1024


def batches_into_index(count: int) -> float:
    """Return the seconds that batches into a finished index would take for as many rows, from the first 4,000."""
    space = create_space("pipeline-plain", encoder="classical-512")
    some = min(count, 4000)
    ids = list(Photo.objects.order_by("pk").values_list("pk", flat=True)[:some])
    began = time.perf_counter()
    for start in range(0, some, 100):
        rows = vectors_of(start, 100)
        vectors.write_photo_vectors(space, dict(zip(ids[start : start + 100], rows, strict=False)))
    took = time.perf_counter() - began
    retire_space(space)
    return took / some * count


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
