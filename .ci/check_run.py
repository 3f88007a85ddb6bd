"""Asks a running site, started from nothing, where each held-out view of its sample was taken.

Usage: check_run.py ADDRESS DATA_DIR. Exits 1 unless at least 10 of the 12 held-out views are placed within
100 m of the truth and everything that is not in the collection is refused.
"""

from __future__ import annotations

import io
import json
import math
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

DEADLINE_S = 600
NEEDED = 10


def get_json(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the address is our own site
        return dict(json.load(answer))


def wait_until_indexed(address: str) -> None:
    """Wait for the site, then until no photo is left to index."""
    started = time.monotonic()
    last = ""
    while time.monotonic() - started < DEADLINE_S:
        try:
            get_json(f"{address}/readyz")
            statistics = get_json(f"{address}/api/v1/statistics/")
        except (OSError, ValueError) as exc:
            last = repr(exc)
        else:
            last = json.dumps(statistics["by_state"])
            unfinished = sum(n for state, n in statistics["by_state"].items() if state != "ready")
            if statistics["photos"] >= 72 and not unfinished:
                print(f"ready and indexed after {time.monotonic() - started:.0f} s: {last}")
                return
        time.sleep(1)
    raise SystemExit(f"not indexed within {DEADLINE_S} s: {last}")


def locate(address: str, picture: bytes) -> dict[str, Any]:
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'
    body = head.encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    request = urllib.request.Request(  # noqa: S310 - the address is our own site
        f"{address}/api/v1/locate/?wait=30",
        data=body,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        if answer.status != 200:
            raise SystemExit(f"locate answered {answer.status}: {answer.read()[:500]!r}")
        return dict(json.load(answer))


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    (lat1, lon1), (lat2, lon2) = (tuple(map(math.radians, point)) for point in (a, b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(h))


def encoded(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def strangers() -> dict[str, bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    return {
        "blank": encoded(np.full((600, 800, 3), 200, np.uint8)),
        "noise": encoded(noise),
        "astronaut": encoded(skimage.data.astronaut()),
        "coffee": encoded(skimage.data.coffee()),
    }


def count_placed(address: str, folder: Path) -> tuple[int, int]:
    truths = json.loads((folder / "truth.json").read_text())
    placed = 0
    for truth in truths:
        answer = locate(address, (folder / truth["file"]).read_bytes())["location"]
        if answer is None:
            print(f"{truth['file']}: not placed")
            continue
        error = distance_m((answer["latitude"], answer["longitude"]), (truth["latitude"], truth["longitude"]))
        placed += error <= 100
        print(f"{truth['file']}: {error:.0f} m off, radius {answer['radius_m']:.0f} m")
    return placed, len(truths)


def main(address: str, data_dir: str) -> int:
    wait_until_indexed(address)
    placed, asked = count_placed(address, Path(data_dir) / "sample" / "held-out")
    print(f"{placed} of {asked} held-out views placed within 100 m")
    wrong = [name for name, picture in strangers().items() if locate(address, picture)["location"] is not None]
    print(f"strangers placed: {wrong or 'none'}")
    return 0 if placed >= NEEDED and asked == 12 and not wrong else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
