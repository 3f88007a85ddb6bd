"""The trash: deleted photos, as they were, for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.utils import timezone

from photos.derivatives import derivative
from photos.errors import DuplicatePhotoError
from photos.models import Photo, PhotoEmbedding, TrashedPhoto
from photos.models.photo import COMPUTED_FIELDS
from photos.services import collection, indexing, sweeping, trash
from photos.services.tagging import set_automatic_tags
from tests.photos.pictures import jpeg

pytestmark = pytest.mark.django_db

FACTS = {
    "title": "Gate of the old town",
    "description": "Seen from\nthe sea",
    "credit": "Ada",
    "license": "CC0",
    "latitude": 36.87890123456789,
    "longitude": -30.7045,
    "location_accuracy_m": 12.5,
    "bearing_deg": 212.5,
    "taken_at": datetime(2020, 5, 31, 12, 0, 0, 123456, tzinfo=UTC),
    "visibility": "private",
    "location_visibility": "approximate",
    "tags": ["Gate", "old town"],
}


@pytest.fixture
def photo(add, owner):
    return add(1, owner=owner, **FACTS)


@pytest.fixture
def trashed(photo, owner, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        return trash.throw_away(photo, by=owner)


def own_columns(photo):
    names = [
        one.attname
        for one in Photo._meta.concrete_fields
        if one.name not in COMPUTED_FIELDS | {"id", "image", "updated_at"}
    ]
    return {"image": str(photo.image.name)} | {name: getattr(photo, name) for name in names}


def picture_is_there(photo):
    return default_storage.exists(str(photo.image.name))


def test_it_works(photo, owner, index, django_capture_on_commit_callbacks):
    before = own_columns(index(photo))
    set_automatic_tags(photo.pk, {"arch": 0.5})
    with django_capture_on_commit_callbacks(execute=True):
        trashed = trash.throw_away(photo, by=owner)
    assert not Photo.objects.exists()
    assert not PhotoEmbedding.objects.exists()
    assert picture_is_there(photo)
    with django_capture_on_commit_callbacks(execute=True):
        back = trash.put_back(trashed.pk)
    stored = Photo.objects.get()
    assert own_columns(stored) == before
    assert sorted(stored.tags.values_list("name", flat=True)) == ["Gate", "old town"]
    assert (stored.state, back) == ("pending", stored)
    assert indexing.index_now(stored.pk)
    assert PhotoEmbedding.objects.get().photo_id == stored.pk
    assert not TrashedPhoto.objects.exists()


def test_it_keeps_who_deleted_what_and_when(trashed, owner):
    assert (str(trashed), trashed.deleted_by) == ("Gate of the old town", owner)
    assert timezone.now() - trashed.deleted_at < timedelta(minutes=5)


def test_it_goes_for_good_after_its_days(photo, trashed, settings, django_capture_on_commit_callbacks):
    derivative(photo, "small").close()
    settings.TRASH_DAYS = 10
    TrashedPhoto.objects.update(deleted_at=timezone.now() - timedelta(days=9, hours=23))
    assert indexing.reconcile()["emptied from the trash"] == 0
    TrashedPhoto.objects.update(deleted_at=timezone.now() - timedelta(days=10))
    with django_capture_on_commit_callbacks(execute=True):
        assert indexing.reconcile()["emptied from the trash"] == 1
    assert not TrashedPhoto.objects.exists()
    assert not picture_is_there(photo)
    assert sweeping.sweep(grace=timedelta(0)).orphans == []
    assert trash.put_back(trashed.pk) is None


def test_the_sweeper_leaves_its_files_alone(photo, trashed):
    derivative(photo, "small").close()
    report = sweeping.sweep(grace=timedelta(0))
    assert (report.orphans, report.missing) == ([], [])
    assert picture_is_there(photo)


def test_the_same_file_may_be_added_meanwhile(trashed, owner):
    again = collection.add_photo(jpeg(1), owner=owner)
    with pytest.raises(DuplicatePhotoError) as refused:
        trash.put_back(trashed.pk)
    assert refused.value.photo == again
    assert trash.put_all_back([trashed.pk, 0]) == 0
    assert TrashedPhoto.objects.get() == trashed


def test_its_owner_may_have_gone(trashed, owner):
    owner.delete()
    trash.put_back(trashed.pk)
    assert Photo.objects.get().owner is None


def test_what_its_owner_deletes_by_the_api_goes_for_good(photo, owner, client, django_capture_on_commit_callbacks):
    client.force_login(owner)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.delete(f"/api/v1/photos/{photo.uuid}/").status_code == 204
    assert not TrashedPhoto.objects.exists()
    assert not picture_is_there(photo)


class TestAdmin:
    def test_deleting_there_goes_to_the_trash(self, admin_client, photo, admin_user):
        admin_client.post(f"/admin/photos/photo/{photo.pk}/delete/", {"post": "yes"})
        assert TrashedPhoto.objects.get().deleted_by == admin_user
        page = admin_client.get("/admin/photos/trashedphoto/").content.decode()
        assert "Gate of the old town" in page

    def test_many_at_once_too(self, admin_client, photo):
        data = {"action": "delete_selected", "_selected_action": [photo.pk], "post": "yes"}
        admin_client.post("/admin/photos/photo/", data)
        assert TrashedPhoto.objects.get().uuid == photo.uuid

    def test_putting_back(self, admin_client, trashed):
        data = {"action": "put_back", "_selected_action": [trashed.pk]}
        page = admin_client.post("/admin/photos/trashedphoto/", data, follow=True).content.decode()
        assert "1 photo was put back" in page
        assert Photo.objects.get().title == "Gate of the old town"

    def test_emptying(self, admin_client, trashed, photo, django_capture_on_commit_callbacks):
        data = {"action": "delete_selected", "_selected_action": [trashed.pk], "post": "yes"}
        with django_capture_on_commit_callbacks(execute=True):
            admin_client.post("/admin/photos/trashedphoto/", data)
        assert not TrashedPhoto.objects.exists()
        assert not picture_is_there(photo)

    def test_its_picture_is_for_curators(self, admin_client, client, trashed):
        address = f"/admin/photos/trashedphoto/{trashed.pk}/picture.jpg"
        assert admin_client.get(address)["Content-Type"] == "image/jpeg"
        client.logout()
        assert client.get(address).status_code == 302
        client.force_login(User.objects.create_user("staff", is_staff=True))
        assert client.get(address).status_code == 404
