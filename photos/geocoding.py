"""Which country, region and town a point lies in, without any network.

GeoNames' towns of over 1,000 people (CC BY 4.0), through the package `reverse_geocode`. The nearest town stands for
its region and country, so the answer is approximate near borders; far from every town there is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

TOWN_KM: Final = 25.0
REGION_KM: Final = 75.0
COUNTRY_KM: Final = 200.0
EARTH_KM: Final = 6371.0088


@dataclass(frozen=True, slots=True)
class PlaceNames:
    """Names from wide to narrow; an empty one is not known. `country_code` is ISO 3166-1 alpha-2."""

    country: str = ""
    country_code: str = ""
    region: str = ""
    town: str = ""


def find_place_names(latitude: float, longitude: float) -> PlaceNames:
    """Return the names of the place at a point in degrees; none at sea.

    Raises `ValueError` for a point that is not on the globe.
    """
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(f"latitude must be in -90..90 and longitude in -180..180, got {latitude}, {longitude}")
    town, distance_km = _nearest_town(latitude, longitude)
    within_country = distance_km <= COUNTRY_KM
    return PlaceNames(
        country=town.get("country", "") if within_country else "",
        country_code=town["country_code"] if within_country else "",
        region=town.get("state", "") if distance_km <= REGION_KM else "",
        town=town["city"] if distance_km <= TOWN_KM else "",
    )


def _nearest_town(latitude: float, longitude: float) -> tuple[dict[str, Any], float]:
    """Return the nearest town and its distance in km.

    The package compares plain degrees; asking on both sides of the antimeridian and measuring on the sphere mends
    that where it matters.
    """
    import reverse_geocode  # 90 MB of towns, loaded by whoever needs them

    turns = [(latitude, longitude + turn) for turn in (0.0, 360.0, -360.0)]
    towns = [dict(town) for town in reverse_geocode.search(turns)]
    distances = [_distance_km((latitude, longitude), (town["latitude"], town["longitude"])) for town in towns]
    nearest = min(range(len(towns)), key=distances.__getitem__)
    return towns[nearest], distances[nearest]


def _distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    lat1, lon1, lat2, lon2 = map(math.radians, (*a, *b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(h)))
