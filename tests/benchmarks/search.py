"""How fast and how right the search is, beside what else one could use: `python -m tests.benchmarks.search [NAME...]`.

Synthetic places (`search_places`) of 10,000, 100,000 (with a million segments) and 300,000 photos (global vectors
only) in a PostgreSQL of the benchmark's own. FAISS, numpy, pgvector without an index and the many-query version take
turns with ours, one question at a time, one thread each. Building takes a quarter of an hour or more; BENCH_DIR names
a folder to keep it in. NAME is a collection: 10k, 100k, 300k. With BENCH=quick they are small and show only that
everything runs.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tests.benchmarks.search_databases import run_on
from tests.benchmarks.search_world import SIZES, bench_folder, database_name

TARGETS = {
    "ann_100k": "10 times as fast as FAISS Flat at recall@10 .95",
    "hybrid_100k": "12 times as fast as the many-query version at equal top-1; 1.5 times its own scans",
    "filter_0_5": "recall 1, within 1 ms of the exact comparison",
    "filter_0_05": "recall 1, within 1 ms of the exact comparison",
    "hybrid_qps_4": "50 a second",
}


def main(asked: list[str]) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # a statement of PostgreSQL has one thread as well
        os.environ[name] = "1"
    figures: dict[str, Any] = {}
    with bench_folder() as folder:
        for name in asked or SIZES:
            figures |= run_on("tests.benchmarks.search_sized", name, database_name(name), folder)
    _print_summary(figures)
    print(json.dumps(figures))


def _print_summary(figures: dict[str, Any]) -> None:
    print(f"\n{'':18}{'reference':>12}{'ours':>12}{'ratio':>8}   target; more")
    for name, one in figures.items():
        values = f"{one['reference']:9.2f} {one['unit']:<3}{one['ours']:8.2f} {one['unit']:<3}{one['ratio']:8.1f}"
        more = ", ".join(f"{key} {one[key]}" for key in one if key not in {"ours", "reference", "ratio", "unit"})
        print(f"{name:18}{values}   {TARGETS.get(name, '')}; {more}")
    growth = [f"{name} {figures[name]['ours']:.2f} ms" for name in figures if name.startswith(("ann", "hybrid_1"))]
    print(f"growth: {', '.join(growth)}")


if __name__ == "__main__":
    main(sys.argv[1:])
