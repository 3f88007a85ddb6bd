"""The whole pipeline: real pictures, encoder, database, verification."""

from __future__ import annotations

import numpy as np
import pytest
from django.conf import settings as settings_of_site
from django.contrib.auth.models import AnonymousUser, User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photos.errors import NoActiveSpaceError
from photos.models import EmbeddingSpace, LocationVisibility, Photo, Visibility
from photos.services.collection import delete_photo
from photos.vision.errors import ImageRefused
from search.answers import tell_distance
from search.geodesy import haversine_m
from search.services import locate_image, search_by_image, similar_to_photo
from search.types import STAGES, Filters
from tests.search.pictures import HEIGHT, WIDTH, encode, picture_of
from tests.search.town import GATE, TOWER, index_picture

pytestmark = pytest.mark.django_db


def ids(result):
    return [match.photo_id for match in result.matches]


def level(result):
    """How far the best match was verified."""
    verification = result.matches[0].verification
    return verification and verification.level


def place(picture, viewer=None):
    """The place of a picture that has one."""
    location = locate_image(picture, viewer=viewer).location
    assert location is not None
    return location


def told(result):
    """All of the answer but how long it took."""
    return (result.matches, result.location, result.alternatives, result.sources, result.verdict, result.space)


def test_a_known_place_is_found(town):
    result = locate_image(picture_of(1, 5), viewer=None)
    assert result.location is not None
    assert haversine_m(*GATE, result.location.latitude, result.location.longitude) < 10
    assert result.location.support == 2
    assert result.location.probability > 0.99
    assert set(ids(result)[:2]) == {photo.pk for photo in town.gate}
    assert level(result) == "confirmed"
    where = f"{result.location.latitude:.5f}, {result.location.longitude:.5f}"
    assert result.verdict == f"Probably at {where}, within 60 m, 9 times out of 10."
    assert result.space == "classical-512"


def test_a_busy_machine_still_places_a_known_place(town, monkeypatch):
    """The time to verify is over before the first comparison: the best are compared all the same."""
    monkeypatch.setattr(settings_of_site, "VERIFY_LIMIT_S", 0.0)
    result = locate_image(picture_of(1, 5), viewer=None)
    assert result.location is not None
    assert haversine_m(*GATE, result.location.latitude, result.location.longitude) < 10


def test_the_photo_itself_may_be_asked_for(town):
    result = locate_image(picture_of(2, 0), viewer=None)
    assert ids(result)[0] == town.tower[0].pk
    found = place(picture_of(2, 0))
    assert haversine_m(*TOWER, found.latitude, found.longitude) < 1


def noise():
    return encode(np.random.default_rng(9).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))


def blank():
    return encode(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))


@pytest.mark.parametrize("picture", [lambda: picture_of(7, 0), noise], ids=["another place", "noise"])
def test_an_unknown_place_is_refused(town, picture):
    result = locate_image(picture(), viewer=None)
    assert result.location is None
    assert result.verdict == "I cannot place this photo; these look similar, unverified."
    assert len(result.matches) == 5


def test_a_blank_picture_is_refused(town):
    result = locate_image(blank(), viewer=None)
    assert (result.location, result.matches) == (None, ())
    assert result.verdict == "I cannot place this photo; it shows nothing to compare."


def test_a_place_that_nobody_placed_is_refused(town):
    result = locate_image(picture_of(3, 5), viewer=None)
    assert ids(result)[0] == town.unplaced[0].pk
    assert level(result) == "confirmed"
    assert result.location is None


def test_an_empty_collection_refuses(town):
    for photo in Photo.objects.all():
        delete_photo(photo)
    result = locate_image(picture_of(1, 5), viewer=None)
    assert result.verdict == "I cannot place this photo; nothing in the collection looks like it."


def test_it_needs_an_active_space(db):
    EmbeddingSpace.objects.update(state="building")
    with pytest.raises(NoActiveSpaceError):
        locate_image(picture_of(1, 5), viewer=None)


def test_a_broken_picture_is_refused(town):
    with pytest.raises(ImageRefused):
        locate_image(b"no picture", viewer=None)


def test_exif_is_told_beside_and_changes_nothing(town):
    plain = locate_image(picture_of(1, 5), viewer=None)
    result = locate_image(picture_of(1, 5, gps=(10.0, 20.0)), viewer=None)
    exif, visual = result.sources
    assert (exif.source, exif.latitude, exif.longitude) == ("exif", 10.0, 20.0)
    assert visual == plain.sources[1]
    assert result.location == plain.location
    assert plain.sources[0].latitude is None


def test_every_stage_is_told_and_timed(town):
    stages: list[str] = []
    result = locate_image(picture_of(1, 5), viewer=None, progress=stages.append)
    assert tuple(stages) == STAGES
    assert set(result.timings_ms) == {*STAGES, "total"}
    assert result.timings_ms["total"] == pytest.approx(
        sum(result.timings_ms[stage] for stage in STAGES), rel=0.2, abs=2
    )


def test_similar_photos_leave_the_photo_itself_out(town):
    result = similar_to_photo(town.gate[0], viewer=None, limit=3)
    assert ids(result)[0] == town.gate[1].pk
    assert town.gate[0].pk not in ids(result)
    assert len(ids(result)) == 3
    box = result.matches[0].segment_matches[0]
    assert box.query_box is not None
    assert box.photo_box is not None


def test_filters_narrow_the_search(town):
    result = search_by_image(picture_of(1, 5), viewer=None, filters=Filters(has_location=False))
    assert ids(result) == [town.unplaced[0].pk]


def test_an_approximate_place_is_told_as_its_cell(town):
    owner = User.objects.create_user("owner")
    gate = Photo.objects.filter(pk__in=[photo.pk for photo in town.gate])
    gate.update(location_visibility=LocationVisibility.APPROXIMATE, owner=owner)
    visitor, own = (place(picture_of(1, 5), viewer) for viewer in (AnonymousUser(), owner))
    assert [visitor.latitude, visitor.longitude] == pytest.approx([41.005, -39.895])
    assert visitor.radius_m == pytest.approx(60 + 697, abs=3)  # half the diagonal of 1112 m x 839 m
    assert own.latitude == pytest.approx(41.0)
    assert own.radius_m == 60


def test_a_hidden_place_does_not_vote(town):
    gate = Photo.objects.filter(pk__in=[photo.pk for photo in town.gate])
    gate.update(location_visibility=LocationVisibility.HIDDEN)
    result = locate_image(picture_of(1, 5), viewer=None)
    assert level(result) == "confirmed"
    assert (result.location, result.alternatives) == (None, ())


def test_copies_of_one_file_are_one_observation(town):
    owners = [User.objects.create_user(name) for name in ("a", "b")]
    data = picture_of(4, 0)
    for owner in owners:
        index_picture(data, owner=owner, latitude=10, longitude=10)
    assert place(picture_of(4, 5)).support == 1


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 7]), st.integers(2, 4), st.sampled_from([GATE, TOWER, (0.0, 0.0)])),
        min_size=1,
        max_size=2,
        unique_by=lambda one: one[:2],
    ),
    st.sampled_from([1, 2, 7]),
)
def test_private_photos_never_change_a_visitors_answer(town, private, asked):
    owner, _ = User.objects.get_or_create(username="owner")
    before = locate_image(picture_of(asked, 5), viewer=None)
    hidden = [
        index_picture(
            picture_of(seed, number),
            owner=owner,
            latitude=point[0],
            longitude=point[1],
            visibility=Visibility.PRIVATE,
        )
        for seed, number, point in private
    ]
    assert told(locate_image(picture_of(asked, 5), viewer=None)) == told(before)
    assert {photo.pk for photo in hidden} <= set(ids(locate_image(picture_of(asked, 5), viewer=owner)))
    for photo in hidden:
        delete_photo(photo)


@pytest.mark.parametrize(
    ("distance_m", "expected"),
    [(3, "3 m"), (60, "60 m"), (757.2, "760 m"), (1000, "1 km"), (1234, "1.3 km"), (25_000, "25 km"), (0, "0.1 m")],
)
def test_distances_are_told_rounded_up(distance_m, expected):
    assert tell_distance(distance_m) == expected
