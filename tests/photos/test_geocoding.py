"""Names of places without a network."""

from __future__ import annotations

import pytest

from photos.geocoding import PlaceNames, find_place_names


@pytest.mark.parametrize(
    ("point", "country", "town"),
    [
        ((55.7047, 13.1910), "SE", "Lund"),
        ((52.5189, 13.4003), "DE", ""),
        ((41.0082, 28.9784), "TR", ""),
        ((-18.1416, 178.4419), "FJ", "Suva"),
        ((-16.52, -179.99), "FJ", ""),
    ],
)
def test_a_point_on_land_has_its_country(point, country, town):
    names = find_place_names(*point)
    assert names.country_code == country
    assert town in names.town
    assert names.country


def test_the_open_sea_has_no_names():
    assert find_place_names(41.0, -40.0) == PlaceNames()


@pytest.mark.parametrize("point", [(90.1, 0), (0, 180.5), (float("nan"), 0)])
def test_it_rejects_a_point_off_the_globe(point):
    with pytest.raises(ValueError, match="latitude must be"):
        find_place_names(*point)
