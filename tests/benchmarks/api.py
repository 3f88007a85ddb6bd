"""How quick the site answers with 100,000 photos: `python -m tests.benchmarks.api`.

Requests go through gunicorn as `manage.py up` runs it (one process, four threads) over the loopback device, as a
visitor. The collection is the 100k one of `tests.benchmarks.search`, kept in BENCH_DIR where that is set. With
BENCH=quick it is small and shows only that everything runs.
"""

from __future__ import annotations

import json
import os
from typing import Any

from tests.benchmarks.search_databases import run_on
from tests.benchmarks.search_world import bench_folder, database_name

TARGETS = {
    "map_clusters_100k": "p95 150 ms at any zoom",
    "gallery_100k": "p95 100 ms",
}


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    with bench_folder() as folder:
        figures = run_on("tests.benchmarks.api_sized", "100k", database_name("100k"), folder)
    _print_summary(figures)
    print(json.dumps(figures))


def _print_summary(figures: dict[str, Any]) -> None:
    print(f"\n{'':22}{'reference':>12}{'ours':>12}{'ratio':>8}   target; more")
    for name, one in figures.items():
        values = f"{one['reference']:9.2f} {one['unit']:<3}{one['ours']:8.2f} {one['unit']:<3}{one['ratio']:8.2f}"
        more = ", ".join(f"{key} {one[key]}" for key in one if key not in {"ours", "reference", "ratio", "unit"})
        print(f"{name:22}{values}   {TARGETS.get(name, '')}; {more}")


if __name__ == "__main__":
    main()
