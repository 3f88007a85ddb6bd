"""Place tags follow the public point, and tell nothing of a hidden one."""

from __future__ import annotations

import django_rq
import pytest

from photos import jobs
from photos.geocoding import PlaceNames, find_place_names
from photos.models import LocationVisibility, Photo, PhotoState, PhotoTag, Tag
from photos.models.photo import place_untagged
from photos.services import collection, editing, indexing, places
from photos.services.tagging import get_or_create_tag

pytestmark = pytest.mark.django_db(transaction=True)

PARIS = (48.8566, 2.3522)
ROME = (41.8933, 12.4829)


def places_of(photo: Photo) -> dict[str, str]:
    given = PhotoTag.objects.filter(photo=photo, source="automatic", tag__is_place=True)
    return dict(given.values_list("tag__category", "tag__name"))


def waiting() -> list[int]:
    return [job.args[0] for job in django_rq.get_queue("index").jobs if job.func_name == places.JOB]


@pytest.fixture
def placed(add):
    """A photo in Paris, indexed by the job that the workers run."""
    photo = add(1, latitude=PARIS[0], longitude=PARIS[1])
    jobs.index_photo(photo.pk)
    return Photo.objects.get(pk=photo.pk)


def test_it_works(placed):
    assert places_of(placed) == {"country": "France", "region": "Île-de-France", "town": "Paris"}
    assert Tag.objects.get(slug="paris").is_place
    assert not places.tag_place(placed.pk)  # they are there already


def test_they_follow_a_photo_that_moves(placed):
    collection.set_location(placed, *ROME)
    assert places_of(placed) == {}  # the former ones go at once
    assert waiting() == [placed.pk]
    jobs.tag_place(placed.pk)
    assert places_of(placed)["country"] == "Italy"
    collection.clear_location(placed)
    assert places_of(placed) == {}
    assert not Photo.objects.filter(place_untagged()).exists()


def test_a_hidden_place_is_not_told(placed):
    editing.update_photo(placed, changes={"location_visibility": LocationVisibility.HIDDEN})
    assert places_of(placed) == {}
    assert not places.tag_place(placed.pk)
    editing.update_photo(placed, changes={"location_visibility": LocationVisibility.EXACT})
    jobs.tag_place(placed.pk)
    assert places_of(placed)["town"] == "Paris"
    assert editing.update_photos(Photo.objects.all(), changes={"location_visibility": "hidden"}) == 1
    assert places_of(placed) == {}


def test_an_approximate_place_is_told_by_its_cell_alone(placed, monkeypatch):
    asked = []

    def note(*point: float) -> PlaceNames:
        asked.append(point)
        return find_place_names(*point)

    monkeypatch.setattr(places, "find_place_names", note)
    editing.update_photo(placed, changes={"location_visibility": LocationVisibility.APPROXIMATE})
    assert places_of(placed) == {}
    jobs.tag_place(placed.pk)
    (point,) = asked
    assert point == pytest.approx((48.855, 2.355), abs=1e-9)
    assert places_of(placed)["country"] == "France"


def test_at_sea_there_are_none(add):
    photo = add(2, latitude=-40.0, longitude=-130.0)
    jobs.index_photo(photo.pk)
    assert places_of(photo) == {}
    assert not Photo.objects.filter(place_untagged()).exists()


def test_a_persons_places_stay(placed):
    collection.set_location(placed, *ROME)
    PhotoTag.objects.create(photo=placed, tag=get_or_create_tag("Trastevere", is_place=True))
    PhotoTag.objects.create(photo=placed, tag=get_or_create_tag("Italy", is_place=True))
    jobs.tag_place(placed.pk)
    given = dict(PhotoTag.objects.filter(photo=placed).values_list("tag__slug", "source"))
    assert given["trastevere"] == given["italy"] == "manual"
    assert "automatic" in given.values()


def test_a_place_is_no_word_and_a_country_no_region(add, monkeypatch):
    Tag.objects.create(name="bridge", slug="bridge", in_vocabulary=True)
    names = PlaceNames(country="Luxembourg", country_code="LU", region="Luxembourg", town="Bridge")
    monkeypatch.setattr(places, "find_place_names", lambda *_point: names)
    photo = add(3, latitude=1.0, longitude=2.0)
    places.tag_place(photo.pk)
    given = PhotoTag.objects.filter(photo=photo).order_by("tag__slug").values_list("tag__slug", flat=True)
    assert list(given) == ["bridge-town", "luxembourg", "luxembourg-region"]
    assert get_or_create_tag("Bridge", is_place=True).slug == "bridge-place"
    assert Tag.objects.get(slug="bridge").in_vocabulary


def test_the_reconciler_finds_what_was_moved_behind_our_backs(placed):
    Photo.objects.filter(pk=placed.pk).update(latitude=ROME[0], longitude=ROME[1])
    assert indexing.reconcile()["places"] == 1
    assert indexing.reconcile()["places"] == 0  # it is in the queue already
    assert waiting() == [placed.pk]
    jobs.tag_place(placed.pk)
    assert places_of(placed)["country"] == "Italy"
    Photo.objects.filter(pk=placed.pk).update(latitude=PARIS[0], longitude=PARIS[1], state=PhotoState.PENDING)
    django_rq.get_queue("index").empty()
    assert indexing.reconcile()["places"] == 0  # it comes with the indexing


def test_a_photo_moved_while_its_place_was_looked_up_is_left_for_later(placed, monkeypatch):
    def move(*point: float):
        Photo.objects.filter(pk=placed.pk).update(latitude=PARIS[0], longitude=PARIS[1])
        return find_place_names(*point)

    collection.set_location(placed, *ROME)
    with monkeypatch.context() as patched:
        patched.setattr(places, "find_place_names", move)
        assert not places.tag_place(placed.pk)
    assert places_of(placed) == {}
    assert places.tag_place(placed.pk)
    assert places_of(placed)["country"] == "France"
