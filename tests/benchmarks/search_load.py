"""How many hybrid questions a second several clients get answered, each a process with its own connection."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.search_world import QUICK, Collection

CLIENTS: Final = (1, 2) if QUICK else (1, 2, 4, 8)
SECONDS: Final = 1.0 if QUICK else 8.0
TARGET: Final = 50


def measure_load(collection: Collection, naive_ms: float) -> dict[str, Any]:
    """Print the questions a second by clients and return the figure of `hybrid_qps_4`.

    The reference is what the many-query version would do at its best: one client per core, nobody else about.
    """
    rates = {}
    for clients in CLIENTS:
        rates[clients] = _rate(collection, clients)
        print(f"  {clients} clients: {rates[clients]:7.1f} hybrid questions a second", flush=True)
    ours = rates.get(4, rates[CLIENTS[-1]])
    reference = min(4, os.cpu_count() or 1) * 1000 / naive_ms
    print(f"  target at 4 clients: {TARGET}; a query per vector and a fetch per candidate: {reference:.1f} at best")
    return {
        "ours": round(ours, 1),
        "reference": round(reference, 1),
        "ratio": round(ours / reference, 2),
        "unit": "1/s",
        **{f"clients_{clients}": round(rate, 1) for clients, rate in rates.items()},
    }


def _rate(collection: Collection, clients: int) -> float:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(clients)
    answered = context.Queue()
    arguments = (collection.name, str(collection.folder.parent), barrier, answered)
    processes = [context.Process(target=_ask_on, args=(*arguments, 1000 * number)) for number in range(clients)]
    for process in processes:
        process.start()
    counts = [answered.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    return float(sum(counts) / SECONDS)


def _ask_on(name: str, folder: str, barrier: Any, answered: Any, first: int) -> None:
    """Be one client: warm up, wait for the others, then ask until the time is over."""
    import django

    django.setup()
    from search.candidates import find_candidates
    from tests.benchmarks.search_hybrid import LIMIT, make_query
    from tests.benchmarks.search_world import open_collection

    collection = open_collection(name, Path(folder))
    space = collection.space
    queries = [make_query(collection, first + number) for number in range(50)]
    for query in queries[:3]:
        find_candidates(query, space=space, viewer=None, limit=LIMIT)
    barrier.wait(timeout=100)
    count, until = 0, time.monotonic() + SECONDS
    while time.monotonic() < until:
        find_candidates(queries[count % len(queries)], space=space, viewer=None, limit=LIMIT)
        count += 1
    answered.put(count)
