"""The photo admin: its list, its form, its actions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from photos.models import Photo, PhotoState, PhotoTag, Tag, TagSource, TrashedPhoto
from photos.services import collection
from photos.services.tagging import get_or_create_tag, set_automatic_tags
from tests.photos.pictures import jpeg, placed_jpeg

pytestmark = pytest.mark.django_db
PHOTOS = "/admin/photos/photo/"


@pytest.fixture
def curator(space) -> User:
    return User.objects.create_superuser("cleo")


@pytest.fixture
def client(curator) -> Client:
    client = Client()
    client.force_login(curator)
    return client


def form(photo: Photo | None = None, **changes: Any) -> dict[str, Any]:
    """What the browser sends back of a photo's form, with some of it changed."""
    given = {
        "title": "",
        "description": "",
        "credit": "",
        "license": "",
        "taken_at_0": "",
        "taken_at_1": "",
        "latitude": "",
        "longitude": "",
        "location_accuracy_m": "",
        "bearing_deg": "",
        "location_visibility": "exact",
        "visibility": "public",
        "owner": "",
        "given_tags": [],
    }
    if photo is not None:
        for name in given.keys() & {field.name for field in Photo._meta.fields}:
            value = getattr(photo, f"{name}_id" if name == "owner" else name)
            given[name] = "" if value is None else str(value)
    return {**given, **changes}


def change(client: Client, photo: Photo, **changes: Any) -> Photo:
    response = client.post(reverse("admin:photos_photo_change", args=[photo.pk]), form(photo, **changes))
    assert response.status_code == 302, response.context["errors"]
    return Photo.objects.get(pk=photo.pk)


def act(client: Client, action: str, *photos: Photo, **more: Any) -> Any:
    chosen = {"action": action, "_selected_action": [photo.pk for photo in photos]}
    return client.post(PHOTOS, {**chosen, **more})


# --- the list ---------------------------------------------------------------------------------------


def test_it_works(client, add):
    photo = add(1, title="Harbour", latitude=36.8789, longitude=30.7045, tags=["sea"], visibility="private")
    html = client.get(PHOTOS).content.decode()
    for part in (
        "Harbour",
        "36.87890, 30.70450",
        "sea",
        "badge-pending",
        "badge-private",
        f"{photo.uuid}/thumbnail.jpg",
    ):
        assert part in html


def test_it_lets_no_stranger_in(space):
    visitor, user = Client(), Client()
    user.force_login(User.objects.create_user("ada"))
    for client in (visitor, user):
        assert client.get(PHOTOS).status_code == 302
        assert client.get(f"{PHOTOS}upload/").status_code == 302
        assert client.get("/admin/queues/").status_code == 302


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state__exact=failed", ["failed"]),
        ("attention=failed", ["failed"]),
        ("placed=yes", ["placed"]),
        ("placed=no", ["failed", "private"]),
        ("location_source__exact=manual", ["placed"]),
        ("visibility__exact=private", ["private"]),
        ("location_visibility__exact=hidden", ["placed"]),
        ("tag=old-tower", ["private"]),
        ("tag=unused", []),
        ("q=tower", ["private"]),
        ("q=PLACED", ["placed"]),
        ("q=no-such-thing", []),
    ],
)
def test_it_narrows_the_list(client, add, query, found):
    failed = add(1, title="failed")
    Photo.objects.filter(pk=failed.pk).update(state=PhotoState.FAILED, index_error="broken")
    add(2, title="placed", latitude=1, longitude=2, location_visibility="hidden")
    add(3, title="private", visibility="private", tags=["Old tower"])
    get_or_create_tag("unused")
    response = client.get(f"{PHOTOS}?{query}")
    assert response.status_code == 200
    assert sorted(photo.title for photo in response.context["cl"].result_list) == found


def test_it_finds_a_photo_by_its_public_id(client, add):
    photo = add(1)
    response = client.get(PHOTOS, {"q": str(photo.uuid)})
    assert list(response.context["cl"].result_list) == [photo]
    assert client.get(f"{PHOTOS}of/{photo.uuid}/")["Location"] == f"{PHOTOS}{photo.pk}/change/"


def test_a_failed_photo_says_why(client, add):
    Photo.objects.filter(pk=add(1).pk).update(state=PhotoState.QUARANTINED, index_error="It killed three <workers>.")
    for address in (PHOTOS, "/admin/", f"{PHOTOS}{Photo.objects.get().pk}/change/"):
        assert "It killed three &lt;workers&gt;." in client.get(address).content.decode()


def test_the_list_takes_as_many_queries_for_any_number(client, add, django_assert_max_num_queries):
    for number in range(3):
        add(number, tags=["a", f"b{number}"], owner=User.objects.create_user(f"user{number}"))
    client.get(PHOTOS)
    with django_assert_max_num_queries(20) as few:
        client.get(PHOTOS)
    for number in range(3, 12):
        add(number, tags=["a", f"b{number}"], owner=User.objects.create_user(f"user{number}"))
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get(PHOTOS)


def test_the_first_page_counts_by_state_and_leads_to_them(client, add):
    Photo.objects.filter(pk=add(1).pk).update(state=PhotoState.READY)
    add(2)
    html = client.get("/admin/").content.decode()
    assert 'href="/accuracy/"' in html
    tiles = dict(re.findall(r'photo/\?state__exact=(\w+)"><strong>(\d+)</strong>', html))
    assert tiles == {"pending": "1", "indexing": "0", "ready": "1", "failed": "0", "quarantined": "0"}


# --- the form ---------------------------------------------------------------------------------------


def test_the_form_draws_segments_and_asks_for_neighbours(client, add, index):
    photo = index(add(1))
    html = client.get(reverse("admin:photos_photo_change", args=[photo.pk])).content.decode()
    assert len(re.findall(r'<path id="segment-1-\d+"', html)) == photo.segments.count() > 0
    assert f'data-url="/api/v1/photos/{photo.uuid}/similar/"' in html
    assert 'data-edits="latitude longitude' in html


def test_no_page_has_inline_scripts_or_styles(client, add, index):
    photo = index(add(1))
    photo.proposals.create(latitude=1, longitude=2, radius_m=3, source="visual")
    space, proposal = photo.embeddings.get().space, photo.proposals.get()
    for address in (
        "/admin/",
        PHOTOS,
        f"{PHOTOS}add/",
        f"{PHOTOS}upload/",
        f"{PHOTOS}{photo.pk}/change/",
        f"/admin/photos/embeddingspace/{space.pk}/change/",
        f"/admin/photos/locationproposal/{proposal.pk}/change/",
        "/admin/photos/locationproposal/",
        "/admin/search/searchrequest/",
        "/admin/queues/",
    ):
        response = client.get(address)
        assert response.status_code == 200, address
        found = re.findall(
            r"<style|<script>|<script type=.text/javascript.>|\sstyle=|\son\w+=", response.content.decode()
        )
        assert found == [], address


def test_a_new_point_is_one_set_by_hand(client, add):
    photo = collection.add_photo(placed_jpeg(1, 41.0, 29.0), location_accuracy_m=5)
    assert photo.location_source == "exif"
    moved = change(client, photo, latitude="36.5", longitude="30.5")
    assert (moved.latitude, moved.longitude, moved.location_source) == (36.5, 30.5, "manual")
    assert moved.location_accuracy_m is None


def test_other_changes_leave_the_place_as_it_was_known(client):
    photo = collection.add_photo(placed_jpeg(1, 41.0, 29.0))
    photo.location_accuracy_m = 5
    photo.save(update_fields=["location_accuracy_m"])
    changed = change(client, photo, title="Ferry", location_visibility="approximate", visibility="private")
    assert (changed.title, changed.location_visibility, changed.visibility) == ("Ferry", "approximate", "private")
    assert (changed.location_source, changed.location_accuracy_m) == ("exif", 5)
    assert (changed.latitude, changed.longitude) == (photo.latitude, photo.longitude)


def test_an_empty_point_is_no_place(client, add):
    changed = change(client, add(1, latitude=1, longitude=2), latitude="", longitude="")
    assert (changed.latitude, changed.longitude, changed.location_source) == (None, None, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"latitude": "91", "longitude": "0"},
        {"latitude": "1", "longitude": ""},
        {"latitude": "nan", "longitude": "0"},
        {"latitude": "1e999", "longitude": "0"},
        {"bearing_deg": "360"},
        {"location_accuracy_m": "-1"},
        {"title": "a\x00b"},
        {"visibility": "friends"},
    ],
)
def test_the_form_rejects_what_the_collection_cannot_hold(client, add, changes):
    photo = add(1, latitude=1, longitude=2)
    response = client.post(reverse("admin:photos_photo_change", args=[photo.pk]), form(photo, **changes))
    assert response.status_code == 200
    assert response.context["errors"]
    assert Photo.objects.get(pk=photo.pk).latitude == 1


def test_tags_given_by_hand_leave_a_models_alone(client, add):
    photo = add(1, tags=["old"])
    set_automatic_tags(photo.pk, {"sea": 0.7})
    tower = get_or_create_tag("tower")
    change(client, photo, given_tags=[tower.pk])
    given = PhotoTag.objects.filter(photo=photo).values_list("tag__name", "source")
    assert sorted(given) == [("sea", TagSource.AUTOMATIC), ("tower", TagSource.MANUAL)]


def test_saving_does_not_index_anew_and_another_picture_does(client, add, index):
    photo = index(add(1))
    assert change(client, photo, title="New", given_tags=[]).state == PhotoState.READY
    changed = change(client, photo, image=SimpleUploadedFile("b.jpg", jpeg(2)))
    assert (changed.state, changed.original_name) == (PhotoState.PENDING, "b.jpg")
    assert changed.sha256 != photo.sha256
    assert not changed.embeddings.exists()


def test_saving_while_a_worker_is_at_it_leaves_its_lease_alone(client, add):
    from photos.services import leases

    photo = add(1)
    assert leases.claim(photo.pk) is not None
    changed = change(client, photo, title="New")
    assert (changed.state, changed.title) == (PhotoState.INDEXING, "New")
    assert changed.lease_token is not None


def test_it_adds_a_photo(client, curator):
    tower = get_or_create_tag("tower")
    upload = SimpleUploadedFile("harbour.jpg", placed_jpeg(1, 41.0, 29.0))
    response = client.post(
        f"{PHOTOS}add/",
        form(image=upload, title="Harbour", owner=curator.pk, given_tags=[tower.pk], visibility="private"),
    )
    assert response.status_code == 302, response.context["errors"]
    photo = Photo.objects.get()
    assert (photo.title, photo.owner, photo.visibility, photo.location_source) == (
        "Harbour",
        curator,
        "private",
        "exif",
    )
    assert photo.original_name == "harbour.jpg"
    assert [tag.name for tag in photo.tags.all()] == ["tower"]
    with photo.image.open("rb") as file:
        assert file.read() == placed_jpeg(1, 41.0, 29.0)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "empty"), (b"<svg/>", "no picture that can be read"), (jpeg(1), "already in the collection")],
)
def test_it_refuses_a_picture_with_its_reason(client, add, content, why):
    add(1)
    response = client.post(f"{PHOTOS}add/", form(image=SimpleUploadedFile("a.jpg", content)))
    assert response.status_code == 200
    assert why in str(response.context["errors"])
    assert Photo.objects.count() == 1


def test_what_it_deletes_keeps_its_file_in_the_trash(client, add, django_capture_on_commit_callbacks):
    photo = add(1)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("admin:photos_photo_delete", args=[photo.pk]), {"post": "yes"})
    assert not Photo.objects.exists()
    assert TrashedPhoto.objects.get().uuid == photo.uuid
    assert photo.image.storage.exists(photo.image.name)


# --- actions ----------------------------------------------------------------------------------------


def test_retry_takes_the_failed_ones_only(client, add):
    failed, ready = add(1), add(2)
    Photo.objects.filter(pk=failed.pk).update(state=PhotoState.QUARANTINED, attempts=3, index_error="x")
    Photo.objects.filter(pk=ready.pk).update(state=PhotoState.READY)
    act(client, "retry", failed, ready)
    states = dict(Photo.objects.values_list("pk", "state"))
    assert states == {failed.pk: PhotoState.PENDING, ready.pk: PhotoState.READY}
    assert Photo.objects.get(pk=failed.pk).attempts == 0


def test_reindex_takes_all_and_the_forms_button_one(client, add):
    first, second = add(1), add(2)
    Photo.objects.update(state=PhotoState.READY)
    act(client, "reindex", first)
    assert Photo.objects.get(pk=first.pk).state == PhotoState.PENDING
    address = reverse("admin:photos_photo_reindex", args=[second.pk])
    assert client.get(address).status_code == 405
    assert client.post(address)["Location"] == reverse("admin:photos_photo_change", args=[second.pk])
    assert Photo.objects.get(pk=second.pk).state == PhotoState.PENDING


@pytest.mark.parametrize(
    ("action", "field", "value"),
    [
        ("make_private", "visibility", "private"),
        ("make_public", "visibility", "public"),
        ("show_approximate_place", "location_visibility", "approximate"),
        ("hide_place", "location_visibility", "hidden"),
        ("show_exact_place", "location_visibility", "exact"),
    ],
)
def test_many_are_shown_or_hidden_at_once(client, add, action, field, value):
    chosen = [add(1, latitude=1.001, longitude=2), add(2, visibility="private", location_visibility="hidden")]
    other = add(3)
    before = getattr(other, field)
    act(client, action, *chosen)
    assert {getattr(photo, field) for photo in Photo.objects.filter(pk__in=[p.pk for p in chosen])} == {value}
    assert getattr(Photo.objects.get(pk=other.pk), field) == before
    told = Photo.objects.get(pk=chosen[0].pk).public_latitude
    expected = {"approximate": pytest.approx(1.005), "hidden": None}.get(value, 1.001)
    assert told == (expected if field == "location_visibility" else 1.001)


def test_tags_are_added_after_being_asked_for(client, add):
    chosen = [add(1, tags=["sea"]), add(2)]
    set_automatic_tags(chosen[1].pk, {"tower": 0.6})
    asked = act(client, "add_tags", *chosen)
    assert asked.status_code == 200
    assert "2 photos are chosen" in asked.content.decode()
    act(client, "add_tags", *chosen, confirmed="yes", names="Tower, old town", select_across="0")
    given = {
        photo.pk: sorted(PhotoTag.objects.filter(photo=photo).values_list("tag__name", "source", "score"))
        for photo in chosen
    }
    manual = TagSource.MANUAL
    assert [tag[1:] for tags in given.values() for tag in tags] == [(manual, 1.0)] * 5
    assert [[tag[0].lower() for tag in tags] for tags in given.values()] == [
        ["old town", "sea", "tower"],
        ["old town", "tower"],
    ]


def test_a_tag_without_a_letter_is_asked_for_again(client, add):
    response = act(client, "add_tags", add(1), confirmed="yes", names="!!!", select_across="0")
    assert response.status_code == 200
    assert "needs a letter" in response.content.decode()
    assert not Tag.objects.exists()


def test_staff_without_the_permission_may_not(add):
    client, photo = Client(), add(1)
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(PHOTOS).status_code == 403
    client.post(reverse("admin:photos_photo_reindex", args=[photo.pk]))
    act(client, "make_private", photo)
    assert Photo.objects.get(pk=photo.pk).visibility == "public"
