"""All that is measured on one collection, in a process: `python -m tests.benchmarks.search_sized NAME FOLDER`.

Run by `tests.benchmarks.search`, which starts the servers and makes the database. The last line is one JSON object.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import django


def measure(name: str, folder: Path) -> dict[str, Any]:
    from tests.benchmarks.search_filters import measure_filters
    from tests.benchmarks.search_hybrid import measure_hybrid
    from tests.benchmarks.search_ingest import measure_ingest
    from tests.benchmarks.search_load import measure_load
    from tests.benchmarks.search_wholes import measure_wholes
    from tests.benchmarks.search_world import WHOLES_ONLY, open_collection

    collection = open_collection(name, folder)
    steps = ", ".join(
        f"{step} {took:.1f} s" for step, took in collection.built.items() if step not in {"version", "photos"}
    )
    print(f"\n== {len(collection)} photos; built once: {steps}")
    figures = {f"ann_{name}": measure_wholes(collection)}
    if name not in WHOLES_ONLY:
        figures[f"hybrid_{name}"] = measure_hybrid(collection)
    if name == "100k":
        figures |= measure_filters(collection)
        figures["hybrid_qps_4"] = measure_load(collection, figures[f"hybrid_{name}"]["reference"])
        figures["ingest_tx_s"] = measure_ingest(collection)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  this process took {peak:.0f} MiB at most, the references' copies of the vectors included")
    return figures


if __name__ == "__main__":
    django.setup()
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
