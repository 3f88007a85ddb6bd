"""Chosen photos: lists to take along, and what curators change at once."""

from __future__ import annotations

import csv
import io
import json

import pytest

from photos.models import Photo, PhotoState, PhotoTag
from photos.services import bulk, collection
from photos.services.tagging import set_automatic_tags
from tests.photos.pictures import jpeg

pytestmark = pytest.mark.django_db


@pytest.fixture
def photos(space, owner):
    return [
        collection.add_photo(jpeg(1), owner=owner, title="=1+1", latitude=41.0123, longitude=29.0, tags=["gate"]),
        collection.add_photo(
            jpeg(2), title="Cell", latitude=41.0123, longitude=29.0, location_visibility="approximate"
        ),
        collection.add_photo(jpeg(3), owner=owner, title="Mine", visibility="private", latitude=1.0, longitude=2.0),
    ]


def read(response) -> str:
    return b"".join(response.streaming_content).decode("utf-8-sig")


def change(client, photos, action, **more):
    return client.post("/photos/change/", {"id": [one.uuid for one in photos], "action": action, **more}, follow=True)


class TestDownload:
    def test_it_works(self, client, photos):
        response = client.get("/photos/photos.csv")
        assert response["Content-Disposition"] == 'attachment; filename="photos.csv"'
        rows = list(csv.DictReader(io.StringIO(read(response))))
        assert [row["title"] for row in rows] == ["Cell", "'=1+1"]
        assert [float(row["latitude"]) for row in rows] == [pytest.approx(41.015), 41.0123]
        assert rows[1]["tags"] == "gate"

    def test_geojson(self, client, photos):
        features = json.loads(read(client.get("/photos/photos.geojson?q=Cell")))["features"]
        assert [one["geometry"]["coordinates"] for one in features] == [pytest.approx([29.005, 41.015])]

    def test_only_the_chosen_ones(self, client, photos, owner):
        query = f"?id={photos[1].uuid}&id={photos[2].uuid}"
        assert "Mine" not in read(client.get(f"/photos/photos.csv{query}"))
        client.force_login(owner)
        assert "Mine" in read(client.get(f"/photos/photos.csv{query}"))

    def test_many_come_by_post(self, client, photos):
        ids = ",".join(str(photo.uuid) for photo in photos[1:])
        assert "Cell" in read(client.post("/photos/photos.csv", {"id": ids}))
        assert "1+1" not in read(client.post("/photos/photos.csv", {"id": ids}))

    def test_a_visitor_takes_so_many(self, client, photos, settings):
        settings.LOCATE_RATE = "1/day"
        found = [client.get(f"/photos/photos.{kind}").status_code for kind in ("csv", "geojson")]
        assert found == [200, 429]

    def test_there_is_no_other_kind(self, client):
        assert client.get("/photos/photos.exe").status_code == 404


class TestChange:
    def test_it_is_for_curators(self, client, photos, owner):
        client.force_login(owner)
        assert change(client, photos, "private").status_code == 403
        assert client.get("/photos/change/").status_code == 405
        assert not Photo.objects.filter(pk=photos[0].pk, visibility="private").exists()

    def test_visibility_and_back(self, admin_client, photos):
        page = change(admin_client, photos, "private", next="/photos/?q=x").content.decode()
        assert "2 photos were changed" in page or "3 photos were changed" in page
        assert set(Photo.objects.values_list("visibility", flat=True)) == {"private"}
        admin_client.post("/photos/undo/")
        assert [one.visibility for one in Photo.objects.order_by("pk")] == ["public", "public", "private"]

    def test_tags_and_back(self, admin_client, photos):
        set_automatic_tags(photos[1].pk, {"arch": 0.5})
        before = sorted(PhotoTag.objects.values_list("photo_id", "tag__name", "source", "score"))
        change(admin_client, photos, "tag", names="gate, arch")
        assert PhotoTag.objects.filter(source="manual").count() == 6
        admin_client.post("/photos/undo/")
        assert sorted(PhotoTag.objects.values_list("photo_id", "tag__name", "source", "score")) == before

    def test_what_is_no_tag_is_refused(self, admin_client, photos):
        assert "is no tag" in change(admin_client, photos, "tag", names="...").content.decode()
        assert "Name a tag first" in change(admin_client, photos, "tag", names=" , ").content.decode()

    def test_reindex(self, admin_client, photos):
        Photo.objects.update(state=PhotoState.FAILED)
        change(admin_client, photos[:1], "reindex")
        assert [one.state for one in Photo.objects.order_by("pk")] == ["pending", "failed", "failed"]

    def test_deleting_asks_once_more(self, admin_client, photos):
        page = change(admin_client, photos[:2], "delete").content.decode()
        assert "Delete 2 photos?" in page
        assert "Within 30 days" in page
        assert Photo.objects.count() == 3
        ids = ",".join(str(photo.uuid) for photo in photos[:2])
        assert f'name="id" value="{ids}"' in page or f'value="{photos[1].uuid},{photos[0].uuid}"' in page
        admin_client.post("/photos/change/", {"id": ids, "action": "delete", "confirmed": "yes"})
        assert list(Photo.objects.all()) == [photos[2]]

    def test_deleting_and_back(self, admin_client, photos):
        before = list(Photo.objects.order_by("uuid").values_list("uuid", "title", "latitude", "visibility", "owner"))
        page = change(admin_client, photos, "delete", confirmed="yes").content.decode()
        assert "3 photos are in the trash" in page
        assert "The last change can be taken back" in page
        assert Photo.objects.count() == 0
        admin_client.post("/photos/undo/")
        after = list(Photo.objects.order_by("uuid").values_list("uuid", "title", "latitude", "visibility", "owner"))
        assert after == before
        assert list(Photo.objects.get(uuid=photos[0].uuid).tags.values_list("name", flat=True)) == ["gate"]

    @pytest.mark.parametrize(("action", "words"), [("explode", "no such action"), ("", "no such action")])
    def test_there_is_no_other_action(self, admin_client, photos, action, words):
        assert words in change(admin_client, photos, action).content.decode()

    def test_nothing_chosen(self, admin_client, photos):
        assert "Choose photos first" in change(admin_client, [], "delete").content.decode()

    def test_it_does_not_lead_away(self, admin_client, photos):
        body = {"id": photos[0].uuid, "action": "public", "next": "https://elsewhere.example/"}
        assert admin_client.post("/photos/change/", body)["Location"] == "/photos/"

    def test_there_is_no_other_visibility(self, photos):
        with pytest.raises(ValueError, match="visibility must be one of"):
            bulk.set_visibility(Photo.objects.all(), "shared")
