"""Make the offline base map of `static/data/` from Natural Earth.

    python docs/make_base_map.py countries-50m.json static/data

The input is the TopoJSON that the npm package world-atlas 2 publishes of Natural Earth 1:50m (public domain).
Arcs are simplified by effective area (Visvalingam and Whyatt, 1993, https://doi.org/10.1179/000870493786962263)
with their ends kept, so that borders still end on the coast. Rings that cross the antimeridian stay whole, with
longitudes past 180 degrees: the map draws the world three times, side by side, and nothing has to be cut.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

Point: TypeAlias = tuple[float, float]
"""Longitude, latitude in degrees."""

MIN_TRIANGLE_DEG2 = 0.008
MIN_ISLAND_DEG2 = 0.012
DECIMALS = 2
POLE = -85.06  # where the Web Mercator square ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("topology", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    topology = json.loads(options.topology.read_text())
    arcs = [simplify(arc) for arc in decode_arcs(topology)]
    write(options.folder / "land.geojson", "MultiPolygon", list(land_polygons(topology, arcs)))
    write(options.folder / "borders.geojson", "MultiLineString", list(border_lines(topology, arcs)))


def decode_arcs(topology: dict[str, Any]) -> Iterator[list[Point]]:
    """Yield each arc in degrees: TopoJSON holds differences of scaled integers."""
    (scale_x, scale_y), (origin_x, origin_y) = topology["transform"]["scale"], topology["transform"]["translate"]
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * scale_x + origin_x, y * scale_y + origin_y))
        yield unwrap(points)


def unwrap(points: Iterable[Point]) -> list[Point]:
    """Let longitudes run on past 180 degrees instead of jumping to the other side."""
    result: list[Point] = []
    for x, y in points:
        turn = 360 * round((result[-1][0] - x) / 360) if result else 0
        result.append((x + turn, y))
    return result


def simplify(points: list[Point]) -> list[Point]:
    """Drop the points whose triangle with their neighbours is small; the ends stay."""
    before = [i - 1 for i in range(len(points))]
    after = [i + 1 for i in range(len(points))]
    areas = {i: triangle(points[i - 1], points[i], points[i + 1]) for i in range(1, len(points) - 1)}
    heap = [(area, i) for i, area in areas.items()]
    heapq.heapify(heap)
    while heap and heap[0][0] < MIN_TRIANGLE_DEG2:
        area, i = heapq.heappop(heap)
        if areas.get(i) != area:
            continue
        del areas[i]
        after[before[i]], before[after[i]] = after[i], before[i]
        for j in (before[i], after[i]):
            if j in areas:
                areas[j] = max(area, triangle(points[before[j]], points[j], points[after[j]]))
                heapq.heappush(heap, (areas[j], j))
    return [point for i, point in enumerate(points) if i in areas or i in (0, len(points) - 1)]


def triangle(a: Point, b: Point, c: Point) -> float:
    """Return the area in square degrees as seen at that latitude."""
    return abs(signed_area([a, b, c]))


def signed_area(ring: list[Point]) -> float:
    doubled = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True))
    return doubled / 2 * math.cos(math.radians(ring[len(ring) // 2][1]))


def land_polygons(topology: dict[str, Any], arcs: list[list[Point]]) -> Iterator[list[list[Point]]]:
    for geometry in topology["objects"]["land"]["geometries"]:
        for polygon in geometry["arcs"]:
            rings = [close(join(ring, arcs)) for ring in polygon]
            kept = [ring for ring in rings if len(ring) > 3 and abs(signed_area(ring)) > MIN_ISLAND_DEG2]
            if kept and kept[0] == rings[0]:
                yield kept


def join(indices: list[int], arcs: list[list[Point]]) -> list[Point]:
    """Put arcs end to end; `~i` stands for arc i backwards."""
    points: list[Point] = []
    for index in indices:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        points.extend(arc if not points else arc[1:])
    return unwrap(points)


def close(ring: list[Point]) -> list[Point]:
    """Close a ring; one that runs around the pole (Antarctica) is closed along the map's lower edge."""
    (first_x, first_y), (last_x, _) = ring[0], ring[-1]
    if abs(last_x - first_x) < 180:
        return [*ring[:-1], ring[0]]
    return [*ring, (last_x, POLE), (first_x, POLE), (first_x, first_y)]


def border_lines(topology: dict[str, Any], arcs: list[list[Point]]) -> Iterator[list[Point]]:
    """Yield the arcs that two countries share."""
    uses: Counter[int] = Counter()
    for country in topology["objects"]["countries"]["geometries"]:
        polygons = country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]
        uses.update({index if index >= 0 else ~index for rings in polygons for ring in rings for index in ring})
    yield from (arcs[index] for index, count in sorted(uses.items()) if count > 1)


def write(path: Path, kind: str, coordinates: list[Any]) -> None:
    geometry = {"type": kind, "coordinates": rounded(coordinates)}
    collection = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"source": "Natural Earth 1:50m"}, "geometry": geometry}],
    }
    path.write_text(json.dumps(collection, separators=(",", ":")))


def rounded(value: Any) -> Any:
    if isinstance(value, float | int):
        return int(value) if value == int(value) else round(value, DECIMALS)
    return [rounded(part) for part in value]


if __name__ == "__main__":
    main()
