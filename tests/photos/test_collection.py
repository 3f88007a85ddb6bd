"""Adding, replacing, placing and deleting photos, by the services and by plain saves."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import IntegrityError, connection, transaction

from photos.derivatives import CONTENT_TYPES, SIDES
from photos.errors import DuplicatePhotoError, InvalidLocationError, InvalidTagError
from photos.models import LocalFeatures, Photo, PhotoEmbedding, PhotoState, Segment, SegmentEmbedding
from photos.services import collection, leases
from photos.vision.errors import ImageRefused
from tests.photos.pictures import BASE, blank_jpeg, encode, jpeg, placed_jpeg, textured

pytestmark = pytest.mark.django_db


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_works(media_root, owner):
    data = placed_jpeg(1, 41.0, 28.5, base={BASE.Artist: "Ada"}, details={BASE.DateTimeOriginal: "2019:07:14 12:30:05"})
    photo = collection.add_photo(data, original_name="C:\\trip\\one.JPG", owner=owner, tags=["Tower", "sea side"])
    photo.refresh_from_db()
    assert photo.state == PhotoState.PENDING
    assert (photo.latitude, photo.longitude) == pytest.approx((41.0, 28.5))
    assert (photo.location_source, photo.credit, photo.original_name) == ("exif", "Ada", "one.JPG")
    assert photo.taken_at == datetime(2019, 7, 14, 12, 30, 5, tzinfo=UTC)
    assert (photo.width, photo.height) == (240, 180)
    assert photo.sha256 == hashlib.sha256(data).hexdigest()
    assert sorted(tag.slug for tag in photo.tags.all()) == ["sea-side", "tower"]
    assert files_in(media_root) == [f"photos/{photo.uuid.hex[:2]}/{photo.uuid}.jpg"]
    assert (media_root / str(photo.image.name)).read_bytes() == data


def test_what_is_said_goes_before_exif(space):
    photo = collection.add_photo(
        placed_jpeg(1, 41.0, 28.5), latitude=-33.0, longitude=151.0, location_source="import", bearing_deg=360.0
    )
    assert (photo.latitude, photo.longitude, photo.location_source) == (-33.0, 151.0, "import")
    assert photo.bearing_deg == 0


def test_a_said_accuracy_goes_before_that_of_exif(space):
    photo = collection.add_photo(placed_jpeg(1, 41.0, -40.0), location_accuracy_m=80.0)
    assert (photo.location_source, photo.location_accuracy_m) == ("exif", 80.0)


def test_the_public_point_follows_the_visibility():
    exact = collection.add_photo(jpeg(1), latitude=41.0082, longitude=28.9784)
    near = collection.add_photo(jpeg(2), latitude=41.0082, longitude=28.9784, location_visibility="approximate")
    hidden = collection.add_photo(jpeg(3), latitude=41.0082, longitude=28.9784, location_visibility="hidden")
    points = [
        (photo.public_latitude, photo.public_longitude)
        for photo in Photo.objects.filter(pk__in=[exact.pk, near.pk, hidden.pk]).order_by("pk")
    ]
    assert points[0] == (41.0082, 28.9784)
    assert points[1] == pytest.approx((41.005, 28.975))
    assert points[2] == (None, None)


@pytest.mark.parametrize(("latitude", "longitude"), [(90.0, 180.0), (-90.0, -180.0), (89.9999, 179.9999)])
def test_the_public_cell_stays_on_earth(latitude, longitude):
    photo = collection.add_photo(jpeg(1), latitude=latitude, longitude=longitude, location_visibility="approximate")
    photo.refresh_from_db()
    assert abs(photo.public_latitude) <= 90
    assert abs(photo.public_longitude) <= 180
    assert abs(photo.public_latitude - latitude) <= 0.01


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"<html></html>", "unsupported-format"),
        (encode(textured(size=(16, 16)), "PNG"), "too-small"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, "unsupported-format"),
    ],
)
def test_it_rejects_what_is_no_picture(data, code, media_root):
    with pytest.raises(ImageRefused) as refusal:
        collection.add_photo(data)
    assert refusal.value.code == code
    assert not Photo.objects.exists()
    assert files_in(media_root) == []


def test_it_rejects_a_file_that_is_too_large(settings):
    settings.MAX_UPLOAD_MIB = 1
    with pytest.raises(ImageRefused) as refusal:
        collection.add_photo(jpeg(1) + b"\0" * 1024 * 1024)
    assert refusal.value.code == "too-large"


def test_it_judges_by_content_not_by_name(space):
    photo = collection.add_photo(encode(textured(1), "PNG"), original_name="holiday.jpg")
    assert str(photo.image.name).endswith(".png")


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(91.0, 0.0), (0.0, -180.1), (float("nan"), 0.0), (1.0, None), (float("inf"), 1.0)]
)
def test_it_rejects_places_that_are_none(latitude, longitude):
    with pytest.raises(InvalidLocationError):
        collection.add_photo(jpeg(1), latitude=latitude, longitude=longitude)


def test_the_same_bytes_only_once_an_owner(owner, media_root):
    first = collection.add_photo(jpeg(1), owner=owner)
    with pytest.raises(DuplicatePhotoError) as refusal:
        collection.add_photo(jpeg(1), owner=owner)
    assert refusal.value.photo == first
    other = collection.add_photo(jpeg(1))
    assert other.pk != first.pk
    with pytest.raises(DuplicatePhotoError):
        collection.add_photo(jpeg(1))
    assert len(files_in(media_root)) == 2


def test_the_database_holds_the_same_bytes_once(owner):
    first = collection.add_photo(jpeg(1), owner=owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        Photo.objects.bulk_create([Photo(image="x", sha256=first.sha256, width=9, height=9, owner=owner)])


def test_photos_outlive_their_owner(owner):
    shared, own = (collection.add_photo(jpeg(n), owner=owner, visibility="private") for n in (1, 2))
    nobodys = collection.add_photo(jpeg(1))
    owner.delete()
    left = Photo.objects.filter(owner=None)
    assert {photo.pk: photo.visibility for photo in left} == {nobodys.pk: "public", own.pk: "private"}
    assert not Photo.objects.filter(pk=shared.pk).exists()


def test_a_failure_leaves_no_file(media_root):
    with pytest.raises(InvalidTagError):
        collection.add_photo(jpeg(1), tags=["fine", "!!!"])
    assert files_in(media_root) == []
    assert not Photo.objects.exists()


def test_a_plain_save_knows_as_much(owner, media_root):
    photo = Photo(image=ContentFile(placed_jpeg(1, 41.0, 28.5), name="x.png"), owner=owner, title="Mine")
    photo.save()
    photo.refresh_from_db()
    assert (photo.width, photo.height, photo.location_source, photo.title) == (240, 180, "exif", "Mine")
    assert len(photo.sha256) == 64
    assert files_in(media_root) == [f"photos/{photo.uuid.hex[:2]}/{photo.uuid}.jpg"]
    with pytest.raises(DuplicatePhotoError):
        Photo.objects.create(image=ContentFile(placed_jpeg(1, 41.0, 28.5), name="y.jpg"), owner=owner)


def test_a_form_is_told_what_is_wrong(owner):
    with pytest.raises(ValidationError) as refusal:
        Photo(image=ContentFile(b"<svg/>", name="x.jpg")).full_clean()
    assert "JPEG, PNG" in refusal.value.message_dict["image"][0]
    collection.add_photo(jpeg(1), owner=owner)
    with pytest.raises(ValidationError) as refusal:
        Photo(image=ContentFile(jpeg(1), name="x.jpg"), owner=owner).full_clean()
    assert "already" in refusal.value.message_dict["image"][0]


def test_a_typed_in_place_gets_its_source():
    photo = Photo(image=ContentFile(jpeg(1), name="x.jpg"), latitude=1.0, longitude=2.0)
    photo.full_clean()
    photo.save()
    assert photo.location_source == "manual"
    photo.latitude = photo.longitude = None
    photo.save()
    photo.refresh_from_db()
    assert photo.location_source == ""


def test_a_stale_save_does_not_undo_the_workers_steps(add):
    photo = add(1)
    lease = leases.claim(photo.pk)
    assert lease is not None
    photo.title = "New"
    photo.save()
    photo.refresh_from_db()
    assert (photo.title, photo.state, photo.lease_token) == ("New", PhotoState.INDEXING, lease.token)


@pytest.mark.django_db(transaction=True)
def test_replacing_forgets_all_of_the_old_picture(add, index, media_root):
    photo = index(add(1))
    assert photo.state == PhotoState.READY
    before = files_in(media_root)
    assert len(before) == 1 + len(SIDES) * len(CONTENT_TYPES)
    collection.replace_image(photo, ContentFile(jpeg(2), name="two.jpg"))
    photo.refresh_from_db()
    assert (photo.state, photo.original_name) == (PhotoState.PENDING, "two.jpg")
    for model in (PhotoEmbedding, SegmentEmbedding, Segment, LocalFeatures):
        assert not model.objects.filter(photo=photo).exists()
    assert files_in(media_root) == [str(photo.image.name)]
    assert not set(before) & set(files_in(media_root))
    photo = index(photo)
    assert photo.state == PhotoState.READY
    assert len(files_in(media_root)) == len(before)


@pytest.mark.django_db(transaction=True)
def test_replacing_takes_the_place_from_the_new_exif_only_where_it_was_exif(space):
    photo = collection.add_photo(placed_jpeg(1, 41.0, 28.5))
    collection.replace_image(photo, jpeg(2))
    assert (photo.latitude, photo.location_source) == (None, "")
    collection.set_location(photo, 1.0, 2.0)
    collection.replace_image(photo, placed_jpeg(3, 41.0, 28.5))
    assert (photo.latitude, photo.location_source) == (1.0, "manual")


@pytest.mark.django_db(transaction=True)
def test_a_refused_replacement_changes_nothing(add, media_root):
    photo, other = add(1), add(2)
    before = files_in(media_root)
    with pytest.raises(DuplicatePhotoError):
        collection.replace_image(photo, jpeg(2))
    with pytest.raises(ImageRefused):
        collection.replace_image(Photo.objects.get(pk=photo.pk), b"no picture")
    assert files_in(media_root) == before
    assert {one.sha256 for one in Photo.objects.all()} == {photo.sha256, other.sha256} | {
        Photo.objects.get(pk=photo.pk).sha256
    }


@pytest.mark.django_db(transaction=True)
def test_deleting_leaves_nothing(add, index, media_root):
    photo = index(add(1))
    collection.delete_photo(photo)
    assert files_in(media_root) == []
    for model in (PhotoEmbedding, SegmentEmbedding, Segment, LocalFeatures):
        assert not model.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_deleting_by_query_set_leaves_nothing(add, index, media_root):
    index(add(1))
    add(2)
    Photo.objects.all().delete()
    assert files_in(media_root) == []


@pytest.mark.django_db(transaction=True)
def test_an_undone_deletion_keeps_the_files(add, media_root):
    photo = add(1)
    with transaction.atomic():
        collection.delete_photo(Photo.objects.get(pk=photo.pk))
        transaction.set_rollback(True)
    assert files_in(media_root) == [str(photo.image.name)]


def test_it_places_and_clears(add):
    photo = add(1)
    collection.set_location(photo, 41.0, 29.0, accuracy_m=5.0)
    fresh = Photo.objects.get(pk=photo.pk)
    assert (fresh.latitude, fresh.location_source, fresh.location_accuracy_m) == (41.0, "manual", 5.0)
    assert (photo.public_latitude, photo.public_longitude) == (41.0, 29.0)
    collection.clear_location(photo)
    assert Photo.objects.get(pk=photo.pk).location_source == ""
    with pytest.raises(InvalidLocationError):
        collection.set_location(photo, 91.0, 0.0)


def test_the_database_refuses_half_a_place(add):
    photo = add(1)
    for change in ("latitude = 1", "latitude = 99, longitude = 1, location_source = 'exif'", "state = 'indexing'"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE photos_photo SET {change} WHERE id = %s", [photo.pk])


def test_a_blank_picture_is_welcome(space, index):
    photo = index(collection.add_photo(blank_jpeg()))
    assert (photo.state, photo.index_error) == (PhotoState.READY, "")
    assert not PhotoEmbedding.objects.exists()
