"""Near-duplicates: found as photos become ready, dismissed and taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from photos import jobs
from photos.models import DuplicateKind, NearDuplicate, Photo, TrashedPhoto
from photos.services import collection, duplicates, trash
from tests.photos.pictures import encode, jpeg, textured

pytestmark = pytest.mark.django_db
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
SIZE = (640, 480)


@pytest.fixture
def save(space):
    """Add a picture and index it as the worker does."""

    def save_picture(data, **fields):
        photo = collection.add_photo(data, **fields)
        assert jobs.index_photo(photo.pk)
        return Photo.objects.get(pk=photo.pk)

    return save_picture


def picture(seed=1):
    return textured(seed, size=SIZE)


def pairs():
    return {(one.photo_a_id, one.photo_b_id): one.kind for one in NearDuplicate.objects.all()}


def test_unlike_pictures_are_no_duplicates(save):
    save(encode(picture(1)))
    save(encode(picture(2)))
    assert pairs() == {}


def test_the_same_file_of_two_owners_is_found(save, owner):
    first, second = save(jpeg(1)), save(jpeg(1), owner=owner)
    assert pairs() == {(first.pk, second.pk): DuplicateKind.SAME_BYTES}
    assert list(duplicates.duplicates_of(first)) == [second]
    assert list(duplicates.duplicates_of(second)) == [first]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: encode(image, quality=35),
        lambda image: encode(image.resize((400, 300)), quality=85),
        lambda image: encode(image.crop((20, 25, 610, 460)), quality=90),
    ],
    ids=["re-encoded", "smaller", "lightly cropped"],
)
def test_the_same_picture_again_is_found(save, change):
    first, second = save(encode(picture(), quality=92)), save(change(picture()))
    assert pairs() == {(first.pk, second.pk): DuplicateKind.SAME_PICTURE}


def test_a_part_of_a_picture_is_no_duplicate(save):
    save(encode(picture()))
    save(encode(picture().crop((300, 200, 620, 440))))
    assert pairs() == {}


def test_a_turned_picture_is_no_duplicate(save):
    save(encode(picture()))
    save(encode(picture().rotate(4)))
    assert pairs() == {}


def test_a_burst_is_found_by_place_and_minute(save, owner):
    place = {"latitude": 41.0, "longitude": -40.0, "owner": owner}
    first = save(jpeg(1), taken_at=NOON, **place)
    second = save(jpeg(2), taken_at=NOON + timedelta(seconds=50), **place)
    save(jpeg(3), taken_at=NOON + timedelta(seconds=130), **place)
    save(jpeg(4), taken_at=NOON, **place | {"latitude": 42.0})
    save(jpeg(5), taken_at=NOON, **place | {"owner": None})
    assert pairs() == {(first.pk, second.pk): DuplicateKind.BURST}


@pytest.mark.parametrize("place", [(-17.0, 179.9999), (89.9999, 10.0)], ids=["antimeridian", "pole"])
def test_a_burst_is_close_by_wherever_it_is(save, owner, place):
    """The longitudes are far apart, the places 21 and 22 metres."""
    first = save(jpeg(1), taken_at=NOON, owner=owner, latitude=place[0], longitude=place[1])
    longitude = -179.9999 if place[0] < 0 else -170.0
    second = save(jpeg(2), taken_at=NOON, owner=owner, latitude=place[0], longitude=longitude)
    assert pairs() == {(first.pk, second.pk): DuplicateKind.BURST}


def test_a_burst_without_a_place_is_found_by_its_pictures(save, owner):
    first = save(encode(picture()), taken_at=NOON, owner=owner)
    second = save(encode(picture(), quality=50), taken_at=NOON + timedelta(seconds=2), owner=owner)
    assert pairs() == {(first.pk, second.pk): DuplicateKind.BURST}


def test_what_fails_does_not_fail_the_indexing(save, monkeypatch, caplog):
    def fail(_photo_id):
        raise RuntimeError("no luck")

    monkeypatch.setattr(duplicates, "find_duplicates", fail)
    assert save(jpeg(1)).state == "ready"
    assert "no luck" in caplog.text


def test_a_dismissed_pair_stays_dismissed_and_can_come_back(save, owner):
    first, second = save(jpeg(1)), save(jpeg(1), owner=owner)
    assert duplicates.dismiss(NearDuplicate.objects.all(), by=owner) == 1
    call_command("find_duplicates", verbosity=0)
    assert list(duplicates.duplicates_of(first)) == []
    assert list(duplicates.with_duplicates(Photo.objects.all())) == []
    assert duplicates.undo_dismissal(NearDuplicate.objects.all()) == 1
    assert list(duplicates.duplicates_of(first)) == [second]
    assert duplicates.with_duplicates(Photo.objects.all()).count() == 2


def test_a_pair_that_holds_no_longer_goes(save, owner):
    save(jpeg(1), taken_at=NOON, latitude=1, longitude=1, owner=owner)
    second = save(jpeg(2), taken_at=NOON, latitude=1, longitude=1, owner=owner)
    Photo.objects.filter(pk=second.pk).update(taken_at=NOON + timedelta(hours=1))
    call_command("find_duplicates", verbosity=0)
    assert pairs() == {}


def test_a_replaced_picture_is_no_duplicate_any_more(save, owner):
    save(jpeg(1))
    second = save(jpeg(1), owner=owner)
    collection.replace_image(second, encode(picture(9)))
    assert pairs() == {}


def test_copies_of_a_copy_are_one_group():
    groups = duplicates.groups_of([(1, 2), (3, 4), (2, 5), (5, 3), (8, 9)])
    assert groups[4] == groups[1] == frozenset({1, 2, 3, 4, 5})
    assert groups[8] == frozenset({8, 9})


# --- deciding -------------------------------------------------------------------------------------------


@pytest.fixture
def pair(save, owner):
    save(jpeg(1), title="Gate")
    save(jpeg(1), owner=owner, title="Other", latitude=41.0, longitude=-40.0, tags=["arch"])
    return NearDuplicate.objects.get()


def choose(admin_client, pair, action, **more):
    data = {"action": action, "_selected_action": [pair.pk], **more}
    return admin_client.post("/admin/photos/nearduplicate/", data, follow=True)


def test_curators_see_both_side_by_side(admin_client, pair):
    page = admin_client.get("/admin/photos/nearduplicate/").content.decode()
    assert "Gate" in page
    assert "Other" in page
    assert page.count('class="thumbnail"') == 2


def test_keeping_one_asks_first_and_moves_what_the_kept_one_lacks(admin_client, pair):
    asked = choose(admin_client, pair, "keep_left").content.decode()
    assert "1 photo goes to the trash" in asked
    assert "within 30 days" in asked
    assert Photo.objects.count() == 2
    choose(admin_client, pair, "keep_left", confirmed="yes")
    kept = Photo.objects.get()
    assert (kept.pk, kept.title, kept.latitude, kept.location_source) == (pair.photo_a_id, "Gate", 41.0, "manual")
    assert [tag.name for tag in kept.tags.filter(photo_tags__source="manual")] == ["arch"]


def test_keeping_the_right_one_deletes_the_left_one(admin_client, pair):
    choose(admin_client, pair, "keep_right", confirmed="yes")
    assert Photo.objects.get().pk == pair.photo_b_id


def test_what_went_comes_back_and_is_a_duplicate_again(admin_client, pair, index):
    choose(admin_client, pair, "keep_left", confirmed="yes")
    trashed = TrashedPhoto.objects.get()
    index(trash.put_back(trashed.pk))
    back = Photo.objects.get(uuid=trashed.uuid)
    assert (back.title, back.latitude, back.state) == ("Other", 41.0, "ready")
    duplicates.find_duplicates(back.pk)
    assert NearDuplicate.objects.get(dismissed_at=None).kind == "same-bytes"


HIDDEN = {"title": "Home", "tags": ["mother"], "latitude": 41.0, "longitude": -40.0, "description": "We live here"}


@pytest.mark.parametrize("kept_owner", [None, "ada"])
def test_a_private_twin_tells_a_public_photo_nothing(save, owner, kept_owner):
    kept = save(jpeg(1), owner=User.objects.create_user(f"{kept_owner}-2") if kept_owner else None)
    save(jpeg(1), owner=owner, visibility="private", **HIDDEN)
    kept = duplicates.keep_one(NearDuplicate.objects.get(), kept_id=kept.pk, by=owner)
    kept = Photo.objects.get(pk=kept.pk)
    assert (kept.title, kept.description, kept.latitude, list(kept.tags.all())) == ("", "", None, [])


def test_one_owners_private_photo_tells_anothers_nothing(save, owner):
    kept = save(jpeg(1), owner=User.objects.create_user("bob"), visibility="private")
    save(jpeg(1), owner=owner, visibility="private", **HIDDEN)
    duplicates.keep_one(NearDuplicate.objects.get(), kept_id=kept.pk, by=owner)
    assert Photo.objects.get().title == ""


def test_ones_own_private_photos_tell_each_other_all(save, owner):
    save(jpeg(1), owner=owner, visibility="private", taken_at=NOON, latitude=41.0, longitude=-40.0)
    kept = save(jpeg(2), owner=owner, visibility="private", taken_at=NOON, latitude=41.0, longitude=-40.0)
    Photo.objects.exclude(pk=kept.pk).update(title="Home")
    duplicates.keep_one(NearDuplicate.objects.get(), kept_id=kept.pk, by=owner)
    assert Photo.objects.get().title == "Home"


@pytest.mark.parametrize(("told", "latitude"), [("exact", 41.0), ("approximate", None), ("hidden", None)])
def test_a_hidden_place_is_not_told_to_another_owner(save, owner, told, latitude):
    kept = save(jpeg(1), owner=User.objects.create_user("bob"))
    save(jpeg(1), owner=owner, location_visibility=told, title="Gate", latitude=41.0, longitude=-40.0)
    duplicates.keep_one(NearDuplicate.objects.get(), kept_id=kept.pk, by=owner)
    left = Photo.objects.get()
    assert (left.title, left.latitude) == ("Gate", latitude)


def test_a_dismissal_can_be_undone_in_the_admin(admin_client, pair):
    choose(admin_client, pair, "dismiss")
    assert "Gate" not in admin_client.get("/admin/photos/nearduplicate/").content.decode()
    dismissed = admin_client.get("/admin/photos/nearduplicate/?decision=dismissed").content.decode()
    assert "by admin" in dismissed
    data = {"action": "undo_dismissal", "_selected_action": [pair.pk]}
    admin_client.post("/admin/photos/nearduplicate/?decision=dismissed", data)
    assert NearDuplicate.objects.get().dismissed_at is None


def test_the_photo_list_can_be_narrowed_to_those_with_duplicates(admin_client, pair, save):
    save(jpeg(7), title="Alone")
    page = admin_client.get("/admin/photos/photo/?attention=duplicates").content.decode()
    assert "Gate" in page
    assert "Alone" not in page
