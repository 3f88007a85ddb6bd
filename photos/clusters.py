"""The collection on a map: photos counted by the cells of a grid that fits the zoom, in one pass of PostgreSQL.

The grid stands still: its cells are squares of Web Mercator, the same wherever one looks, so that panning changes no
count. Each viewer's grid holds the points that this viewer may know, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import Avg, Case, Count, F, FloatField, Func, IntegerField, Max, Min, Q, Value, When

from photos.models import Photo, Visibility
from photos.querysets import PhotoQuerySet, Viewer, is_curator

MAX_LATITUDE: Final = 85.0511287798066
"""Where a Web Mercator map ends, in degrees."""

MAX_LONGITUDE: Final = 36_000.0
"""So many copies of the world may lie beside each other; far beyond, a float has no degrees left."""

MAX_ZOOM: Final = 19
CELLS_PER_TILE: Final = 2
"""Of a tile's 256 pixels, as a power of two: cells of 64 pixels."""

MAX_CELLS: Final = 1200
"""A view of more cells is given a coarser grid."""

MERGE_SHARE: Final = 0.6
"""Clusters nearer to each other than this share of a cell are one."""

_WORLD: Final = 360.0


@dataclass(frozen=True, slots=True)
class MapView:
    """What a map shows, in degrees: `west` in -180..180, `east` up to 360 past it, so over the antimeridian."""

    west: float
    south: float
    east: float
    north: float
    zoom: int

    @classmethod
    def of(cls, west: float, south: float, east: float, north: float, zoom: float) -> MapView:
        """Take the bounds as a map gives them: on any copy of the world, perhaps wider than one.

        Raises ValueError for what is no area.
        """
        if not all(map(math.isfinite, (west, south, east, north, zoom))):
            raise ValueError("bounds and zoom must be finite")
        if max(abs(west), abs(east)) > MAX_LONGITUDE:
            raise ValueError(f"longitudes must lie within {MAX_LONGITUDE:g} degrees, got {west} and {east}")
        if west > east:
            east += _WORLD
        if west > east or south > north:
            raise ValueError(f"west {west} must not be east of {east}, nor south {south} north of {north}")
        if east - west >= _WORLD:
            west = (west + east) / 2 - _WORLD / 2
            east = west + _WORLD
        turns = math.floor((west + 180) / _WORLD) * _WORLD
        south, north = (min(max(one, -90.0), 90.0) for one in (south, north))
        return cls(west - turns, south, east - turns, north, min(max(int(zoom), 0), MAX_ZOOM))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Photos near each other: their mean point, and the box (degrees) that holds them; longitudes may pass 180.

    `inside` of them are in the view itself, which may cut the cluster; `photo_id` is the newest.
    """

    count: int
    inside: int
    latitude: float
    longitude: float
    west: float
    south: float
    east: float
    north: float
    photo_id: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a view: `rows` are the latitudes between them, south first; columns are equally wide."""

    west: float
    cell: float
    columns: int
    rows: tuple[float, ...]

    @property
    def east(self) -> float:
        return self.west + self.columns * self.cell


def clusters_of(photos: PhotoQuerySet, view: MapView, *, viewer: Viewer) -> list[Cluster]:
    """Return the clusters of those photos of the view whose place `viewer` may know, the largest first.

    Cells that the view's edge cuts are taken whole.
    """
    grid = grid_of(view)
    rows = (row for part in _placed(photos, viewer) for row in _cells(part, grid, view))
    return merge_neighbours(map(_cluster, rows), cell=grid.cell)


def grid_of(view: MapView) -> Grid:
    """Return the view's part of the world's grid, made coarser until its cells can be drawn."""
    level = view.zoom + CELLS_PER_TILE
    while level and _size(view, level) > MAX_CELLS:
        level -= 1
    (first, last), (low, high) = _span(view, level)
    count = 2**level
    cell = _WORLD / count
    rows = [latitude_at(row / count) for row in range(low, high + 1)]
    # a photo at a pole is beyond the map, but not beyond counting
    rows[0] = -90.0 if low == 0 else rows[0]
    rows[-1] = 90.0 if high == count else rows[-1]
    return Grid(first * cell - 180, cell, last - first, tuple(rows))


def _size(view: MapView, level: int) -> int:
    (first, last), (low, high) = _span(view, level)
    return (last - first) * (high - low)


def _span(view: MapView, level: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the columns and the rows, each the first and one past the last, where the world has 2**level."""
    count = 2**level
    first = math.floor((view.west + 180) / _WORLD * count)
    last = math.ceil((view.east + 180) / _WORLD * count)
    low = min(math.floor(mercator_y(view.south) * count), count - 1)
    high = max(min(math.ceil(mercator_y(view.north) * count), count), low + 1)
    return (first, first + min(max(last - first, 1), count)), (low, high)


def mercator_y(latitude: float) -> float:
    """Return the height on a Web Mercator map, 0 at its southern and 1 at its northern edge."""
    bounded = math.radians(min(max(latitude, -MAX_LATITUDE), MAX_LATITUDE))
    return min(max(0.5 + math.asinh(math.tan(bounded)) / (2 * math.pi), 0.0), 1.0)


def latitude_at(y: float) -> float:
    """Return the latitude of a height on the map: the inverse of `mercator_y`."""
    return math.degrees(math.atan(math.sinh((y - 0.5) * 2 * math.pi)))


def _placed(photos: PhotoQuerySet, viewer: Viewer) -> list[PhotoQuerySet]:
    """Return the photos with their `lat` and `lon` as `viewer` may know them, in parts that each have an index."""
    if is_curator(viewer):
        return [photos.alias(lat=F("latitude"), lon=F("longitude"))]
    public = photos.alias(lat=F("public_latitude"), lon=F("public_longitude")).filter(visibility=Visibility.PUBLIC)
    if viewer is None or not viewer.is_authenticated:
        return [public]
    own = photos.filter(owner_id=viewer.pk).alias(lat=F("latitude"), lon=F("longitude"))
    return [public.exclude(owner_id=viewer.pk), own]


def _within(west: float, east: float, south: float, north: float) -> Q:
    inside = Q(lat__gte=south, lat__lte=north)
    if east - west >= _WORLD:
        return inside
    if east <= 180:
        return inside & Q(lon__gte=west, lon__lte=east)
    return inside & (Q(lon__gte=west) | Q(lon__lte=east - _WORLD))


def _cells(placed: PhotoQuerySet, grid: Grid, view: MapView) -> Iterable[Any]:
    longitude: Any = F("lon")
    if grid.east > 180:
        longitude = Case(
            When(lon__lt=grid.west, then=F("lon") + Value(_WORLD)), default=F("lon"), output_field=FloatField()
        )
    column = Func(
        F("x"), Value(grid.west), Value(grid.east), Value(grid.columns), function="width_bucket", output_field=_INTEGER
    )
    row = Func(F("lat"), Value(list(grid.rows), output_field=_FLOATS), function="width_bucket", output_field=_INTEGER)
    cells: Iterable[Any] = (
        placed.order_by()
        .filter(_within(grid.west, grid.east, grid.rows[0], grid.rows[-1]))
        .alias(x=longitude)
        .values(column=column, row=row)
        .annotate(
            count=Count("pk"),
            inside=Count("pk", filter=_within(view.west, view.east, view.south, view.north)),
            mean_latitude=Avg("lat"),
            mean_longitude=Avg("x"),
            west=Min("x"),
            south=Min("lat"),
            east=Max("x"),
            north=Max("lat"),
            photo_id=Max("pk"),
        )
    )
    return cells


_INTEGER: Final = IntegerField()
_FLOATS: Final = ArrayField(FloatField())


def _cluster(row: dict[str, Any]) -> Cluster:
    return Cluster(
        latitude=row["mean_latitude"],
        longitude=row["mean_longitude"],
        **{name: row[name] for name in ("count", "inside", "west", "south", "east", "north", "photo_id")},
    )


def merge_neighbours(clusters: Iterable[Cluster], *, cell: float) -> list[Cluster]:
    """Unite clusters that a border of the grid cuts apart: the largest takes what lies close to it on the map.

    `cell` is the grid's width in degrees. The largest come first.
    """
    reach = MERGE_SHARE * cell / _WORLD
    kept: dict[tuple[int, int], list[Cluster]] = {}
    for cluster in sorted(clusters, key=lambda one: (-one.count, one.photo_id)):
        x, y = _on_map(cluster)
        column, row = int(x // reach), int(y // reach)
        near = [
            (key, other)
            for key in ((column + dx, row + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
            for other in kept.get(key, ())
            if math.dist((x, y), _on_map(other)) < reach
        ]
        if not near:
            kept.setdefault((column, row), []).append(cluster)
            continue
        key, other = min(near, key=lambda pair: math.dist((x, y), _on_map(pair[1])))
        kept[key][kept[key].index(other)] = _unite(other, cluster)
    return sorted((one for group in kept.values() for one in group), key=lambda one: (-one.count, one.photo_id))


def _on_map(cluster: Cluster) -> tuple[float, float]:
    return cluster.longitude / _WORLD, mercator_y(cluster.latitude)


def _unite(a: Cluster, b: Cluster) -> Cluster:
    count = a.count + b.count
    return Cluster(
        count=count,
        inside=a.inside + b.inside,
        latitude=(a.latitude * a.count + b.latitude * b.count) / count,
        longitude=(a.longitude * a.count + b.longitude * b.count) / count,
        west=min(a.west, b.west),
        south=min(a.south, b.south),
        east=max(a.east, b.east),
        north=max(a.north, b.north),
        photo_id=max(a.photo_id, b.photo_id),
    )


def photos_of(clusters: Iterable[Cluster]) -> dict[int, Photo]:
    """Return the photo that stands for each cluster, by id."""
    columns = ("pk", "uuid", "sha256", "title", "width", "height", "visibility", "location_visibility", "owner_id")
    return Photo.objects.only(*columns).in_bulk([one.photo_id for one in clusters])
