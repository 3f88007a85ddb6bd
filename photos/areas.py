"""Areas of the map as conditions in SQL that the GiST indexes over the points know; degrees WGS 84.

`prefix` names the point: "" is the exact one, "public_" the one that everybody may know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import BooleanField, F, FloatField, Func, Q, TextField, Value
from django.db.models.functions import Abs, ASin, Cos, Greatest, Least, Radians, Sin, Sqrt

EARTH_RADIUS_M: Final = 6_371_008.8
HALF_CIRCUMFERENCE_M: Final = math.pi * EARTH_RADIUS_M
MAX_CORNERS: Final = 500
WIDE_DEGREES: Final = 20.0
"""PostgreSQL takes every box for a small one; of one wider than this it should know how much lies inside."""


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """Degrees WGS 84, in GeoJSON's order; a box with `west` past `east` crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float

    def parts(self) -> list[BoundingBox]:
        """Boxes that do not cross the antimeridian; it lies at 180 and at -180 degrees, whichever a photo has."""
        if self.west <= self.east:
            box = [self]
            if self.west == -180 and self.east < 180:
                box.append(BoundingBox(180, self.south, 180, self.north))
            if self.east == 180 and self.west > -180:
                box.append(BoundingBox(-180, self.south, -180, self.north))
            return box
        return [
            BoundingBox(self.west, self.south, 180, self.north),
            BoundingBox(-180, self.south, self.east, self.north),
        ]

    def condition(self, prefix: str) -> Q:
        inside = Q()
        for part in self.parts():
            if part.east - part.west > WIDE_DEGREES:
                inside |= part._compared(prefix)
                continue
            corners = [_point(part.west, part.south), _point(part.east, part.north)]
            inside |= Q(_lies_in(prefix, Func(*corners, function="box")))
        return _placed(prefix) & inside

    def _compared(self, prefix: str) -> Q:
        longitude, latitude = f"{prefix}longitude", f"{prefix}latitude"
        return Q(
            **{f"{longitude}__gte": self.west, f"{longitude}__lte": self.east},
            **{f"{latitude}__gte": self.south, f"{latitude}__lte": self.north},
        )


@dataclass(frozen=True, slots=True)
class Polygon:
    """A ring of (longitude, latitude) corners, closed or not, with straight edges in degrees as GeoJSON has them.

    An edge runs the short way round: one from 179 to -179 crosses the antimeridian. The border belongs to it.
    """

    corners: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        distinct = set(self.corners)
        if len(distinct) < 3 or len(self.corners) > MAX_CORNERS + 1:
            raise ValueError(f"a polygon of 3 to {MAX_CORNERS} different corners, not {len(distinct)}")
        if not all(abs(longitude) <= 180 and abs(latitude) <= 90 for longitude, latitude in self.corners):
            raise ValueError("a polygon with corners [longitude, latitude] from -180 to 180 and from -90 to 90")
        ring = self._unwrapped()
        if abs(ring[0][0] - ring[-1][0]) > 180:
            raise ValueError("a polygon that does not go around a pole")

    def condition(self, prefix: str) -> Q:
        """Shifted by a turn each way as well, since its corners may run past 180 degrees."""
        inside = Q()
        for turn in (0, -360, 360):
            ring = ",".join(f"({longitude + turn!r},{latitude!r})" for longitude, latitude in self._unwrapped())
            area = Func(Value(f"({ring})", output_field=TextField()), template="(%(expressions)s)::polygon")
            inside |= Q(_lies_in(prefix, area))
        return _placed(prefix) & inside

    def _unwrapped(self) -> list[tuple[float, float]]:
        """Return the corners with longitudes that follow one another by less than half a turn."""
        ring = [self.corners[0]]
        for longitude, latitude in self.corners[1:]:
            turns = round((ring[-1][0] - longitude) / 360)
            ring.append((longitude + 360 * turns, latitude))
        return ring


@dataclass(frozen=True, slots=True)
class Circle:
    """All within `radius_m` of a point, on the great circle; the Earth is a sphere of the mean radius."""

    latitude: float
    longitude: float
    radius_m: float

    def __post_init__(self) -> None:
        if not (abs(self.latitude) <= 90 and abs(self.longitude) <= 180):
            raise ValueError("a circle around a latitude from -90 to 90 and a longitude from -180 to 180")
        if not 0 < self.radius_m <= HALF_CIRCUMFERENCE_M:
            raise ValueError(f"a radius of more than 0 and at most {HALF_CIRCUMFERENCE_M:.0f} metres")

    def condition(self, prefix: str) -> Q:
        return self._bounds().condition(prefix) & Q(_distance_m(self, prefix, self.radius_m))

    def _bounds(self) -> BoundingBox:
        """Return the least box that holds the circle, a trifle wider."""
        reach = self.radius_m / EARTH_RADIUS_M
        height = math.degrees(reach) + 1e-9
        south, north = self.latitude - height, self.latitude + height
        if south <= -90 or north >= 90:
            return BoundingBox(-180, max(south, -90), 180, min(north, 90))
        width = math.degrees(math.asin(min(1.0, math.sin(reach) / math.cos(math.radians(self.latitude))))) + 1e-9
        if width >= 180:
            return BoundingBox(-180, south, 180, north)
        return BoundingBox(_turned(self.longitude - width), south, _turned(self.longitude + width), north)


Area = BoundingBox | Polygon | Circle


def _turned(longitude: float) -> float:
    if longitude < -180:
        return longitude + 360
    return longitude - 360 if longitude > 180 else longitude


def _placed(prefix: str) -> Q:
    return Q(**{f"{prefix}latitude__isnull": False})


def _point(longitude: float, latitude: float) -> Func:
    return Func(Value(float(longitude)), Value(float(latitude)), function="point")


def _lies_in(prefix: str, area: Any) -> Func:
    place = Func(F(f"{prefix}longitude"), F(f"{prefix}latitude"), function="point")
    return Func(place, area, template="(%(expressions)s)", arg_joiner=" <@ ", output_field=BooleanField())


def _distance_m(circle: Circle, prefix: str, radius_m: float) -> Func:
    """Return whether a point lies within the radius, by the haversine formula."""
    latitude, longitude = Radians(F(f"{prefix}latitude")), Radians(F(f"{prefix}longitude"))
    middle = math.radians(circle.latitude)
    by_latitude = _at_least_a_micron(Sin((latitude - Value(middle)) / Value(2.0)))
    by_longitude = _at_least_a_micron(Sin((longitude - Value(math.radians(circle.longitude))) / Value(2.0)))
    chord = by_latitude * by_latitude + Value(math.cos(middle)) * Cos(latitude) * by_longitude * by_longitude
    distance = Value(2 * EARTH_RADIUS_M) * ASin(Sqrt(Least(chord, Value(1.0), output_field=FloatField())))
    limit = Value(radius_m, output_field=FloatField())
    return Func(distance, limit, template="(%(expressions)s)", arg_joiner=" <= ", output_field=BooleanField())


def _at_least_a_micron(sine: Func) -> Func:
    """PostgreSQL refuses to square a number so small that nothing is left of it."""
    return Greatest(Abs(sine), Value(1e-13), output_field=FloatField())
