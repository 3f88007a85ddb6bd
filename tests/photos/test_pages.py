"""The collection's pages and pictures: who sees what, and how it is cached."""

from __future__ import annotations

import io

import pytest
from django.urls import reverse
from PIL import Image

from photos.services import collection
from tests.photos.pictures import jpeg, placed_jpeg

pytestmark = pytest.mark.django_db


def address(photo, size):
    return reverse("photo-image", args=[photo.uuid, size])


@pytest.fixture
def private(space, owner):
    return collection.add_photo(
        placed_jpeg(1, 41.0, -40.0), owner=owner, visibility="private", original_name="home.jpg"
    )


@pytest.fixture
def public(space, owner):
    return collection.add_photo(
        placed_jpeg(2, 41.1, -40.1), owner=owner, title="The gate", tags=["gate"], original_name="secret.jpg"
    )


def body_of(response):
    return b"".join(response.streaming_content)


def test_it_works(client, public, private):
    page = client.get("/photos/").content.decode()
    assert "The gate" in page
    assert str(private.uuid) not in page
    assert "1 photo" in page


def test_a_copy_carries_no_metadata_and_is_sent_once(client, public):
    response = client.get(address(public, "thumbnail"))
    picture = Image.open(io.BytesIO(body_of(response)))
    assert (response["Content-Type"], dict(picture.getexif())) == ("image/jpeg", {})
    assert "public" in response["Cache-Control"]
    again = client.get(address(public, "thumbnail"), headers={"if-none-match": response["ETag"]})
    assert again.status_code == 304


def copy_address(photo, size, kind="avif", digest=None):
    return reverse("photo-copy", args=[photo.uuid, digest or photo.sha256[:16], size, kind])


@pytest.mark.parametrize(
    ("kind", "content_type"), [("avif", "image/avif"), ("webp", "image/webp"), ("jpg", "image/jpeg")]
)
def test_a_copy_under_its_digest_is_kept_for_ever(client, public, kind, content_type):
    response = client.get(copy_address(public, "small", kind))
    assert (response.status_code, response["Content-Type"]) == (200, content_type)
    assert response["Cache-Control"].startswith("public, max-age=31536000")
    assert "immutable" in response["Cache-Control"]
    again = client.get(copy_address(public, "small", kind), headers={"if-none-match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_copy_of_a_private_photo_is_its_owners(client, private, owner):
    assert client.get(copy_address(private, "large")).status_code == 404
    client.force_login(owner)
    assert client.get(copy_address(private, "large"))["Cache-Control"].startswith("private")


def test_a_former_digest_leads_to_the_present_picture(client, public):
    response = client.get(copy_address(public, "small", digest="0" * 16))
    assert response["Location"] == copy_address(public, "small")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("size", "kind"), [("gigantic", "avif"), ("small", "gif")])
def test_there_is_no_other_copy(client, public, size, kind):
    assert client.get(copy_address(public, size, kind)).status_code == 404


def test_a_private_photo_exists_for_its_owner_and_curators_only(client, private, owner, admin_client):
    for name in (address(private, "display"), private.get_absolute_url()):
        assert client.get(name).status_code == 404
        assert admin_client.get(name).status_code == 200
    client.force_login(owner)
    response = client.get(address(private, "display"))
    assert response.status_code == 200
    assert "private" in response["Cache-Control"]


def test_the_original_goes_to_its_owner_and_curators_only(client, public, owner, admin_client):
    name = reverse("photo-original", args=[public.uuid])
    assert client.get(name).status_code == 403
    assert admin_client.get(name).status_code == 200
    client.force_login(owner)
    response = client.get(name)
    assert body_of(response) == placed_jpeg(2, 41.1, -40.1)
    assert response["Content-Disposition"] == 'attachment; filename="secret.jpg"'


def test_a_file_name_is_not_told_to_strangers(client, space, owner):
    photo = collection.add_photo(jpeg(3), owner=owner, original_name="ada-at-home.jpg")
    for name in ("/photos/", photo.get_absolute_url()):
        assert "ada-at-home" not in client.get(name).content.decode()
    client.force_login(owner)
    assert "ada-at-home" in client.get(photo.get_absolute_url()).content.decode()


def test_an_approximate_place_is_shown_as_its_cell(client, public, owner):
    public.location_visibility = "approximate"
    public.save()
    page = client.get(public.get_absolute_url()).content.decode()
    assert "41.10500, -40.09500" in page
    assert "data-cell" in page
    assert "41.10000" not in page


def test_a_hidden_place_is_not_shown(client, public):
    public.location_visibility = "hidden"
    public.save()
    page = client.get(public.get_absolute_url()).content.decode()
    assert "is not shown" in page
    assert "41.1" not in page


@pytest.mark.parametrize("name", ["/photos/?cursor=nonsense", "/photos/0c6f7e2e-7f6e-4d0f-9f4e-2a4d0f8f1b11/"])
def test_it_does_not_know_addresses_that_are_none(client, name):
    assert client.get(name).status_code == 404


def test_there_is_no_other_size(client, public):
    assert client.get(address(public, "gigantic")).status_code == 404
