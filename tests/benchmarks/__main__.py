"""Run the benchmarks: `python -m tests.benchmarks [vision|search|api|extract]`; BENCH=quick for a small size.

Each part prints a table and, as its last line, one JSON object; the very last line here holds them all.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

PARTS = ("vision", "search", "api", "extract")


def run_part(name: str) -> dict[str, Any]:
    """Run one part in a process of its own, so that no part's memory or threads trouble another's figures."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.benchmarks.{name}"], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
    if process.wait():
        raise SystemExit(f"the benchmark {name!r} failed with status {process.returncode}")
    figures: dict[str, Any] = json.loads(last)
    return figures


def main(asked: list[str]) -> None:
    there = [name for name in PARTS if find_spec(f"tests.benchmarks.{name}")]
    if unknown := set(asked) - set(there):
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(there) or 'none'}")
    figures: dict[str, Any] = {}
    for name in asked or there:
        print(f"== {name}", flush=True)
        figures |= run_part(name)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
