"""EXIF: places, bearings, times and words; malformed ones read as absent."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from photos.exif import ExifFacts, read_bearing, read_exif, read_point, read_time
from tests.photos.pictures import BASE, GPS, encode, jpeg, make_exif, placed_exif, placed_jpeg, textured

ISTANBUL: dict[int, Any] = {
    GPS.GPSLatitudeRef: "N",
    GPS.GPSLatitude: (41.0, 0.0, 31.032),
    GPS.GPSLongitudeRef: "E",
    GPS.GPSLongitude: (28.0, 58.0, 48.0),
}
ORIGINAL: dict[int, Any] = {BASE.DateTimeOriginal: "2019:07:14 12:30:05"}


def test_it_works():
    exif = placed_exif(
        -33.857,
        151.2153,
        base={BASE.Artist: "Ada", BASE.ImageDescription: "The opera", BASE.Copyright: "(c) Ada"},
        details={**ORIGINAL, BASE.OffsetTimeOriginal: "+10:00"},
    )
    facts = read_exif(jpeg(exif=exif))
    assert (facts.latitude, facts.longitude) == pytest.approx((-33.857, 151.2153), abs=1e-6)
    assert facts.taken_at == datetime(2019, 7, 14, 12, 30, 5, tzinfo=timezone(timedelta(hours=10)))
    assert (facts.credit, facts.description, facts.copyright) == ("Ada", "The opera", "(c) Ada")


def test_it_reads_the_hemisphere_letters():
    signs = {"N": 1, "S": -1, "n": 1, "South": -1, b"S\0": -1}
    for letter, sign in signs.items():
        assert read_point({**ISTANBUL, GPS.GPSLatitudeRef: letter}) == pytest.approx((sign * 41.00862, 28.98))
    assert read_point({**ISTANBUL, GPS.GPSLongitudeRef: "W"}) == pytest.approx((41.00862, -28.98))


def test_it_guesses_no_hemisphere():
    assert read_point({2: (41.0, 0.0, 30.0), 4: (28.0, 58.0, 0.0)}) is None
    assert read_point({1: "N", 2: (41.0, 0.0, 30.0), 4: (28.0, 58.0, 0.0)}) is None


def test_it_rejects_a_letter_of_no_hemisphere():
    assert read_point({**ISTANBUL, GPS.GPSLatitudeRef: "T"}) is None


def test_it_handles_decimals_in_degrees():
    assert read_point({1: "N", 2: (41.00862, 0.0, 0.0), 3: "E", 4: (28.98,)}) == pytest.approx((41.00862, 28.98))
    assert read_point({1: "S", 2: 41.5, 3: "W", 4: "28.98"}) == pytest.approx((-41.5, -28.98))


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((95.0, 0.0, 0.0), (28.0, 0.0, 0.0)),
        ((41.0, 0.0, 0.0), (200.0, 0.0, 0.0)),
        ((IFDRational(0, 0), 0.0, 0.0), (28.0, 0.0, 0.0)),
        ((41.0, IFDRational(0, 0), 0.0), (28.0, 0.0, 0.0)),
        ((float("nan"), 0.0, 0.0), (28.0, 0.0, 0.0)),
        ((float("inf"), 0.0, 0.0), (28.0, 0.0, 0.0)),
        ((41.0, 61.0, 0.0), (28.0, 0.0, 0.0)),
        ((41.0, -1.0, 0.0), (28.0, 0.0, 0.0)),
        ((41.0, 0.0, 0.0), None),
        ((), (28.0, 0.0, 0.0)),
        ((1.0, 2.0, 3.0, 4.0), (28.0, 0.0, 0.0)),
        ("north", (28.0, 0.0, 0.0)),
        (b"\x00\x01", (28.0, 0.0, 0.0)),
        (None, None),
    ],
)
def test_it_rejects_places_that_are_none(latitude, longitude):
    assert read_point({1: "N", 2: latitude, 3: "E", 4: longitude}) is None


def test_zero_on_one_axis_is_a_place():
    assert read_point({1: "N", 2: (51.0, 28.0, 40.0), 3: "E", 4: (0.0, 0.0, 0.0)}) == pytest.approx((51.477778, 0.0))


def test_no_minus_zero():
    point = read_point({1: "S", 2: (0.0, 0.0, 0.0), 3: "E", 4: (28.0, 0.0, 0.0)})
    assert str(point) == "(0.0, 28.0)"


@pytest.mark.parametrize(
    ("value", "letter", "expected"),
    [
        (90.5, "T", (90.5, "true")),
        (90.5, "M", (90.5, "magnetic")),
        (360.0, "T", (0.0, "true")),
        (0.0, None, (0.0, "true")),
        (-1.0, "T", (None, "")),
        (361.0, "T", (None, "")),
        (IFDRational(0, 0), "T", (None, "")),
        (None, "M", (None, "")),
    ],
)
def test_it_reads_the_bearing(value, letter, expected):
    assert read_bearing({GPS.GPSImgDirection: value, GPS.GPSImgDirectionRef: letter}) == expected


def test_it_reads_the_accuracy():
    exif = placed_exif(41.0, 28.0)
    exif.get_ifd(0x8825)[GPS.GPSHPositioningError] = IFDRational(9, 2)
    assert read_exif(jpeg(exif=exif)).accuracy_m == 4.5


def test_it_believes_the_written_zone():
    details: dict[int, Any] = {**ORIGINAL, BASE.OffsetTimeOriginal: "-03:30"}
    assert read_time(details, {}, UTC) == datetime(2019, 7, 14, 16, 0, 5, tzinfo=UTC)


def test_it_finds_the_zone_by_the_satellites():
    gps: dict[int, Any] = {GPS.GPSDateStamp: "2019:07:14", GPS.GPSTimeStamp: (9.0, 30.0, 20.0)}
    taken = read_time(ORIGINAL, gps, UTC)
    assert taken is not None
    assert taken.utcoffset() == timedelta(hours=3)
    assert taken == datetime(2019, 7, 14, 9, 30, 5, tzinfo=UTC)


def test_it_does_not_believe_an_old_fix():
    gps: dict[int, Any] = {GPS.GPSDateStamp: "2019:07:14", GPS.GPSTimeStamp: (9.0, 22.0, 0.0)}
    assert read_time(ORIGINAL, gps, UTC) == datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)


def test_it_falls_back_to_the_given_zone():
    taken = read_time(ORIGINAL, {}, ZoneInfo("Europe/Istanbul"))
    assert taken == datetime(2019, 7, 14, 9, 30, 5, tzinfo=UTC)


def test_it_takes_the_satellites_time_where_there_is_no_clock():
    gps: dict[int, Any] = {GPS.GPSDateStamp: "2019:07:14", GPS.GPSTimeStamp: (9.0, 30.0, 20.0)}
    assert read_time({}, gps, UTC) == datetime(2019, 7, 14, 9, 30, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2019:13:40 99:99:99", "0001:01:01 00:00:00", "", 5, None]
)
def test_it_rejects_times_that_are_none(value):
    assert read_time({BASE.DateTimeOriginal: value}, {}, UTC) is None


def test_it_cleans_words():
    exif = make_exif(base={BASE.Artist: "A\x07da\x00 hidden", BASE.ImageDescription: "OLYMPUS DIGITAL CAMERA         "})
    facts = read_exif(jpeg(exif=exif))
    assert (facts.credit, facts.description) == ("A da", "")


def test_it_reads_windows_titles():
    exif = make_exif(base={BASE.XPTitle: "Köprü\0".encode("utf-16-le")})
    assert read_exif(jpeg(exif=exif)).title == "Köprü"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_it_reads_other_formats(kind):
    data = encode(textured(), kind, exif=placed_exif(41.0, 28.5).tobytes())
    facts = read_exif(data)
    assert (facts.latitude, facts.longitude) == pytest.approx((41.0, 28.5))


def test_it_reads_heic():
    facts = read_exif(encode(textured(size=(256, 192)), "HEIF", exif=placed_exif(41.0, 28.5).tobytes()))
    assert (facts.latitude, facts.longitude) == pytest.approx((41.0, 28.5))


def test_it_handles_what_is_no_picture():
    for data in (b"", b"\xff\xd8\xff\xe1\xff\xffExif\0\0", b"<svg/>", jpeg()[:100]):
        assert read_exif(data) == ExifFacts()


@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))
@settings(max_examples=60, deadline=None)
def test_any_place_survives_the_file(latitude, longitude):
    facts = read_exif(placed_jpeg(0, latitude, longitude))
    if (round(latitude, 7), round(longitude, 7)) == (0, 0):
        return
    assert facts.latitude == pytest.approx(latitude, abs=1e-6)
    assert facts.longitude == pytest.approx(longitude, abs=1e-6)


values = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.binary(max_size=12),
    st.integers(),
    st.floats(),
    st.tuples(st.floats(), st.floats(), st.floats()),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.none()), max_size=4),
    st.builds(IFDRational, st.integers(0, 2**31), st.integers(0, 2**31)),
)


@given(
    gps=st.dictionaries(st.integers(0, 31), values),
    details=st.dictionaries(st.sampled_from([306, 36867, 36881]), values),
)
@settings(max_examples=200, deadline=None)
def test_nothing_in_the_tags_raises_or_leaves_the_ranges(gps, details):
    point = read_point(gps)
    assert point is None or (abs(point[0]) <= 90 and abs(point[1]) <= 180 and point != (0, 0))
    bearing, reference = read_bearing(gps)
    assert (bearing is None and reference == "") or 0 <= (bearing or 0) < 360
    taken = read_time(details, gps, UTC)
    assert taken is None or taken.astimezone(UTC).year >= 1825


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about the damage
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_damage_to_the_file_raises(data):
    whole = bytearray(placed_jpeg(0, 41.0, 28.0, details=ORIGINAL))
    for _ in range(data.draw(st.integers(1, 12))):
        whole[data.draw(st.integers(0, min(400, len(whole) - 1)))] = data.draw(st.integers(0, 255))
    facts = read_exif(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert facts.latitude is None or -90 <= facts.latitude <= 90


def test_it_reads_an_open_picture():
    with Image.open(io.BytesIO(placed_jpeg(0, 41.0, 28.0))) as picture:
        assert read_exif(picture).latitude == pytest.approx(41.0)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"MAPLatitude": 55.7, "MAPDeviceModel": "iPhone"}', ""),
        ("[1, 2]", ""),
        ("{not json", "{not json"),
        ("A gate", "A gate"),
    ],
)
def test_a_description_that_a_program_wrote_is_none(text, kept):
    exif = make_exif(base={BASE.ImageDescription: text})
    assert read_exif(jpeg(exif=exif)).description == kept
