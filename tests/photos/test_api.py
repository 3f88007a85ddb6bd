"""The photo API: adding, reading, changing and deleting."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from photos.api.serializers import EXAMPLE_PHOTO, PhotoSerializer
from photos.models import Photo, PhotoState
from photos.services.tagging import set_automatic_tags
from tests.photos.pictures import blank_jpeg, encode, jpeg, placed_jpeg, textured

pytestmark = pytest.mark.django_db
PHOTOS = "/api/v1/photos/"


def upload(content: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def address(photo: Photo) -> str:
    return f"{PHOTOS}{photo.uuid}/"


@pytest.fixture
def client(space, owner) -> APIClient:
    """Ada, the owner, by her token."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=owner).key}")
    return client


@pytest.fixture
def visitor() -> APIClient:
    return APIClient(raise_request_exception=False)


@pytest.fixture
def curator() -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(User.objects.create_user("cleo", is_staff=True))
    return client


# --- adding -----------------------------------------------------------------------------------------


def test_it_works(client, owner):
    response = client.post(
        PHOTOS,
        {
            "image": upload(jpeg(1)),
            "latitude": "36.8789",
            "longitude": "30.7045",
            "title": "Harbour",
            "visibility": "private",
            "location_visibility": "approximate",
            "tags": ["sea, wall", "Kaleiçi"],
        },
    )
    body = response.json()
    assert response.status_code == 201
    assert response["Location"] == body["url"] == f"http://testserver{PHOTOS}{body['id']}/"
    assert (body["state"], body["title"], body["tags"]) == ("pending", "Harbour", ["Kaleiçi", "sea", "wall"])
    photo = Photo.objects.get(uuid=body["id"])
    assert (photo.owner, photo.visibility, photo.location_visibility) == (owner, "private", "approximate")
    assert (photo.latitude, photo.longitude, photo.location_source) == (36.8789, 30.7045, "manual")
    assert (photo.width, photo.height, photo.original_name) == (240, 180, "photo.jpg")


def test_it_reads_the_place_from_exif_unless_it_is_told_one(client):
    found = client.post(PHOTOS, {"image": upload(placed_jpeg(1, 41.0, 29.0))}).json()
    told = client.post(PHOTOS, {"image": upload(placed_jpeg(2, 41.0, 29.0)), "latitude": 5, "longitude": 6}).json()
    assert found["latitude"] == pytest.approx(41.0, abs=1e-4)
    assert (found["location_source"], told["location_source"]) == ("exif", "manual")
    assert (told["latitude"], told["longitude"]) == (5, 6)


def test_it_rejects_a_visitor(visitor, space):
    response = visitor.post(PHOTOS, {"image": upload(jpeg(1))})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Token"
    assert response["Content-Type"] == "application/problem+json"
    assert not Photo.objects.exists()


def test_it_rejects_a_wrong_token(visitor, space):
    response = visitor.post(PHOTOS, {"image": upload(jpeg(1))}, headers={"authorization": "Token nonsense"})
    assert response.status_code == 401


def test_it_takes_a_session_only_with_its_csrf_token(owner, space):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(owner)
    response = client.post(PHOTOS, {"image": upload(jpeg(1))})
    assert (response.status_code, response.json()["code"]) == (403, "permission-denied")


def test_it_rejects_the_same_file_twice_and_says_where_it_is(client):
    first = client.post(PHOTOS, {"image": upload(jpeg(1))}).json()
    again = client.post(PHOTOS, {"image": upload(jpeg(1), "other.jpg")})
    assert (again.status_code, again.json()["code"]) == (409, "duplicate")
    assert again.json()["photo"] == {"id": first["id"], "url": first["url"]}
    assert Photo.objects.count() == 1


def test_the_same_file_of_another_owner_is_no_duplicate(client, curator):
    assert client.post(PHOTOS, {"image": upload(jpeg(1))}).status_code == 201
    assert curator.post(PHOTOS, {"image": upload(jpeg(1))}).status_code == 201


def gif() -> bytes:
    return encode(textured(1), "GIF")


def damaged() -> bytes:
    return jpeg(1)[:2] + b"\xff\xe0\x00\x10JFIF" + b"\x00" * 40


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (b"", "empty.jpg", 400, "empty"),
        (b"<html></html>", "page.jpg", 415, "unsupported-format"),
        (gif(), "moving.jpg", 415, "unsupported-format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.svg", 415, "unsupported-format"),
        (encode(Image.new("RGB", (8000, 3)), "PNG"), "thin.png", 422, "too-small"),
        (encode(Image.new("1", (12_001, 40)), "PNG"), "long.png", 422, "too-many-pixels"),
        (encode(Image.new("1", (11_000, 11_000)), "PNG"), "bomb.png", 422, "too-many-pixels"),
    ],
)
def test_it_rejects_an_odd_file_with_its_reason(client, content, name, status, code):
    response = client.post(PHOTOS, {"image": upload(content, name)})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["detail"].endswith(".") or "allowed" in response.json()["detail"]
    assert not Photo.objects.exists()


@pytest.mark.parametrize(
    "content",
    [jpeg(1)[:-200], damaged(), encode(textured(1), "PNG")[:400], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x00"],
)
def test_a_damaged_file_never_breaks_it(client, content):
    assert client.post(PHOTOS, {"image": upload(content)}).status_code in {201, 415, 422}


@pytest.mark.parametrize(
    "picture",
    [
        encode(textured(1), "PNG"),
        encode(textured(2), "WEBP"),
        encode(textured(3), "TIFF"),
        encode(textured(4).convert("L")),
        encode(textured(5).convert("CMYK")),
        encode(textured(6).convert("P"), "PNG"),
        encode(textured(7).convert("RGBA"), "PNG"),
        encode(Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)), "PNG"),
        blank_jpeg(),
    ],
)
def test_it_takes_every_accepted_kind_whatever_its_name(client, picture):
    assert client.post(PHOTOS, {"image": upload(picture, "x.gif")}).status_code == 201


def test_it_refuses_a_large_file_by_what_is_announced(client, settings):
    settings.MAX_UPLOAD_MIB = 1
    response = client.post(PHOTOS, {"image": upload(b"\xff" * (3 * 1024 * 1024))})
    assert (response.status_code, response.json()["code"]) == (413, "too-large")
    assert "1 MiB" in response.json()["detail"]


def test_it_refuses_a_large_file_while_it_is_read(client, settings):
    settings.MAX_UPLOAD_MIB = 1
    response = client.post(PHOTOS, {"image": upload(jpeg(1) + b"\0" * (1024 * 1024 + 1000))})
    assert (response.status_code, response.json()["code"]) == (413, "too-large")


def test_it_stops_reading_where_the_limit_is(client, settings):
    """What the client says of the length is not believed for the file itself."""
    settings.MAX_UPLOAD_MIB = 1
    body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + b"\xff" * (
        2 * 1024 * 1024
    )
    response = client.generic("POST", PHOTOS, body[: 2 * 1024 * 1024 - 100], "multipart/form-data; boundary=b")
    assert response.status_code == 413


def test_it_asks_for_a_length(client):
    response = client.post(PHOTOS, {"image": upload(jpeg(1))}, headers={"transfer-encoding": "chunked"})
    assert (response.status_code, response.json()["code"]) == (411, "length-required")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"latitude": "91", "longitude": "0"}, "latitude"),
        ({"latitude": "nan", "longitude": "0"}, "latitude"),
        ({"latitude": "0", "longitude": "-180.001"}, "longitude"),
        ({"latitude": "0", "longitude": "inf"}, "longitude"),
        ({"latitude": "1e999", "longitude": "0"}, "latitude"),
        ({"latitude": "12"}, ""),
        ({"title": "a\x00b"}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"visibility": "friends"}, "visibility"),
        ({"tags": "x" * 101}, "tags[0]"),
        ({"tags": "a\x00b"}, "tags[0]"),
        ({"tags": [f"tag {n}" for n in range(51)]}, "tags"),
    ],
)
def test_it_rejects_what_it_cannot_hold(client, fields, field):
    response = client.post(PHOTOS, {"image": upload(jpeg(1)), **fields})
    body = response.json()
    assert (response.status_code, body["code"]) == (400, "invalid")
    assert field in [error["field"] for error in body["errors"]]
    assert not Photo.objects.exists()


def test_it_rejects_a_tag_without_a_letter(client):
    response = client.post(PHOTOS, {"image": upload(jpeg(1)), "tags": "!!!"})
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert not Photo.objects.exists()


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_it_rejects_another_kind_of_body(client, content_type):
    assert client.generic("POST", PHOTOS, b"image=1", content_type).status_code == 415


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=b"),
        (b"nonsense", "multipart/form-data; boundary=b"),
        (b"nonsense", "multipart/form-data"),
        (b"--b\r\n\r\n--b--", "multipart/form-data; boundary=b"),
        (
            b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\ntext\r\n--b--',
            "multipart/form-data; boundary=b",
        ),
        (b'{"image": "x"}', "application/json"),
        (b"[]", "application/json"),
        (b'"image"', "application/json"),
        (b"null", "application/json"),
    ],
)
def test_it_rejects_a_body_without_a_picture(client, body, content_type):
    response = client.generic("POST", PHOTOS, body, content_type)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_it_rejects_too_many_fields(client):
    fields = {f"field{number}": "x" for number in range(300)}
    assert client.post(PHOTOS, {"image": upload(jpeg(1)), **fields}).status_code == 413


def test_a_file_name_cannot_leave_its_folder(client):
    body = client.post(PHOTOS, {"image": upload(jpeg(1), "../../etc/pass\x00wd.jpg")}).json()
    photo = Photo.objects.get(uuid=body["id"])
    assert "/" not in photo.original_name
    assert "\x00" not in photo.original_name
    assert str(photo.image.name).startswith("photos/")


# --- reading ----------------------------------------------------------------------------------------


def test_a_photo_has_what_its_schema_says(client, add, owner):
    body = client.get(address(add(1, owner=owner))).json()
    assert list(body) == list(PhotoSerializer().fields) == list(EXAMPLE_PHOTO)
    assert body["is_owner"] is True


def test_a_private_photo_of_another_is_unknown(client, visitor, curator, add):
    photo = add(1, visibility="private")
    for asker in (client, visitor):
        response = asker.get(address(photo))
        unknown = asker.get(f"{PHOTOS}{uuid.uuid4()}/")
        assert (response.status_code, response.json()) == (404, unknown.json())
    assert curator.get(address(photo)).status_code == 200


@pytest.mark.parametrize("identity", ["7", "not-a-uuid", "%00", "4f8a1c52-6a3e-4b0e-9a57-0c2b1d9e7f1", "../admin"])
def test_an_invalid_id_is_unknown(client, identity):
    response = client.get(f"{PHOTOS}{identity}/")
    assert response.status_code in {400, 404}
    assert response["Content-Type"] == "application/problem+json"


def test_an_approximate_place_is_its_cell_and_tells_no_more(client, visitor, add, owner):
    photo = add(
        1,
        owner=owner,
        latitude=36.87893,
        longitude=30.70451,
        location_visibility="approximate",
        bearing_deg=10,
        location_accuracy_m=3,
    )
    told, own = visitor.get(address(photo)).json(), client.get(address(photo)).json()
    assert (told["latitude"], told["longitude"]) == pytest.approx((36.875, 30.705))
    assert (told["bearing_deg"], told["location_accuracy_m"], told["location_source"]) == (None, None, "")
    assert (own["latitude"], own["longitude"], own["bearing_deg"]) == (36.87893, 30.70451, 10)


def test_a_hidden_place_is_none(visitor, add):
    body = visitor.get(address(add(1, latitude=36.8, longitude=30.7, location_visibility="hidden"))).json()
    assert (body["latitude"], body["longitude"], body["location_source"]) == (None, None, "")


def test_why_indexing_failed_is_for_those_inside(client, visitor, add, owner):
    photo = add(1, owner=owner)
    Photo.objects.filter(pk=photo.pk).update(state=PhotoState.FAILED, index_error="The file is missing.")
    assert (visitor.get(address(photo)).json()["error"], visitor.get(address(photo)).json()["original_name"]) == (
        "",
        "",
    )
    assert client.get(address(photo)).json()["error"] == "The file is missing."


def test_a_photo_is_geojson_where_that_is_asked_for(visitor, add):
    photo = add(1, latitude=36.8789, longitude=30.7045)
    response = visitor.get(address(photo), headers={"accept": "application/geo+json"})
    feature = json.loads(response.content)
    assert response["Content-Type"] == "application/geo+json"
    assert (feature["type"], feature["id"]) == ("Feature", str(photo.uuid))
    assert feature["geometry"] == {"type": "Point", "coordinates": [30.7045, 36.8789]}
    assert "latitude" not in feature["properties"]
    assert feature["properties"]["state"] == "pending"


# --- changing ---------------------------------------------------------------------------------------


def test_its_owner_changes_it(client, add, owner):
    photo = add(1, owner=owner, tags=["old"])
    changes = {
        "title": "Tower",
        "visibility": "private",
        "latitude": 36.5,
        "longitude": 30.5,
        "location_accuracy_m": 12.5,
        "bearing_deg": 359.5,
        "taken_at": "2020-01-02T03:04:05Z",
        "tags": ["tower", "stone"],
    }
    body = client.patch(address(photo), changes, format="json").json()
    photo.refresh_from_db()
    assert changes.items() <= {**body, "tags": body["tags"][::-1]}.items()
    assert (photo.title, photo.latitude, photo.location_source) == ("Tower", 36.5, "manual")
    assert photo.taken_at == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert sorted(tag.name for tag in photo.tags.all()) == ["stone", "tower"]


def test_a_new_place_forgets_the_old_ones_accuracy(client, add, owner):
    photo = add(1, owner=owner, latitude=1, longitude=2, location_accuracy_m=4)
    body = client.patch(address(photo), {"latitude": 3, "longitude": 4}, format="json").json()
    assert (body["latitude"], body["longitude"], body["location_accuracy_m"]) == (3, 4, None)


def test_null_clears_the_place(client, add, owner):
    photo = add(1, owner=owner, latitude=1, longitude=2)
    body = client.patch(address(photo), {"latitude": None, "longitude": None}, format="json").json()
    assert (body["latitude"], body["longitude"], body["location_source"]) == (None, None, "")


def test_a_models_tags_are_left_alone(client, add, owner):
    photo = add(1, owner=owner, tags=["mine"])
    set_automatic_tags(photo.pk, {"sea": 0.7})
    body = client.patch(address(photo), {"tags": []}, format="json").json()
    assert body["tags"] == ["sea"]


@pytest.mark.parametrize(
    "changes",
    [
        {"latitude": 1},
        {"latitude": 1, "longitude": None},
        {"latitude": 90.1, "longitude": 0},
        {"latitude": True, "longitude": 0},
        {"bearing_deg": 360},
        {"bearing_deg": -1},
        {"location_accuracy_m": -1},
        {"location_accuracy_m": 1e9},
        {"visibility": None},
        {"tags": {"a": 1}},
        {"tags": [["a"]]},
        {"taken_at": "yesterday"},
        {"taken_at": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_it_rejects_a_change_and_keeps_what_was(client, add, owner, changes):
    photo = add(1, owner=owner, latitude=1, longitude=2, title="Before")
    response = client.patch(address(photo), {"title": "After", **changes}, format="json")
    photo.refresh_from_db()
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert (photo.title, photo.latitude, photo.longitude) == ("Before", 1, 2)


def test_only_its_owner_and_curators_change_it(client, visitor, curator, add):
    photo = add(1)
    found = [asker.patch(address(photo), {"title": "x"}, format="json").status_code for asker in (client, visitor)]
    assert found == [403, 401]
    assert curator.patch(address(photo), {"title": "x"}, format="json").status_code == 200


def test_its_owner_deletes_it(client, visitor, add, owner):
    photo = add(1, owner=owner)
    assert visitor.delete(address(photo)).status_code == 401
    assert client.delete(address(photo)).status_code == 204
    assert not Photo.objects.exists()
    assert client.delete(address(photo)).status_code == 404


def test_a_stranger_does_not_delete_it(client, add):
    assert client.delete(address(add(1))).status_code == 403
    assert Photo.objects.count() == 1


@pytest.mark.parametrize("method", ["put", "post"])
def test_another_method_is_named_as_not_allowed(client, add, method):
    response = getattr(client, method)(address(add(1)), {})
    assert response.status_code == 405
    assert "GET" in response["Allow"]


# --- statistics -------------------------------------------------------------------------------------


def test_statistics_count_what_the_asker_may_see(client, visitor, curator, add, index, owner):
    index(add(1))
    index(add(2, owner=owner, visibility="private"))
    add(3, visibility="private")
    told = {
        name: asker.get("/api/v1/statistics/").json() for name, asker in (("v", visitor), ("o", client), ("c", curator))
    }
    assert [told[name]["photos"] for name in "voc"] == [1, 2, 3]
    assert told["c"]["by_state"] == {"pending": 1, "indexing": 0, "ready": 2, "failed": 0, "quarantined": 0}
    assert [told[name]["spaces"][0]["photos"] for name in "voc"] == [1, 2, 2]
    space = told["v"]["spaces"][0]
    assert (space["slug"], space["state"], space["dimensions"]) == ("classical-512", "active", 512)
    assert space["segments"] == Photo.objects.get(sha256=Photo.objects.order_by("pk")[0].sha256).segments.count()
    assert told["v"]["device"] in {"cpu", "cuda"}


def test_the_pictures_bytes_are_read_from_their_start(client):
    """A file that something has read before, as a form's check may, is stored whole."""
    content = io.BytesIO(jpeg(9))
    body = client.post(PHOTOS, {"image": SimpleUploadedFile("a.jpg", content.getvalue())}).json()
    with Photo.objects.get(uuid=body["id"]).image.open("rb") as file:
        assert file.read() == content.getvalue()
