"""Curating in the admin, and the API's page: nothing that the policy forbids, on a desk and on a phone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from photos.models import Photo
from tests.browser.conftest import ELSEWHERE, PLACE
from tests.browser.pointing import click_at, settled_box
from tests.browser.walls import wall

MARKER = ".leaflet-marker-pane .leaflet-marker-icon"


@pytest.fixture
def curator(page: Page, live_server, transactional_db) -> Page:
    """The page of a signed-in curator."""
    client = Client()
    client.force_login(User.objects.create_superuser("cleo"))
    host, key = str(urlsplit(live_server.url).hostname), client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": key, "domain": host, "path": "/"}])
    return page


def point(page: Page) -> tuple[float, float]:
    return tuple(float(page.input_value(f"#id_{name}")) for name in ("latitude", "longitude"))  # type: ignore[return-value]


def form_of(photo: Photo) -> str:
    return f"/admin/photos/photo/{photo.pk}/change/"


def test_the_map_and_the_numbers_say_the_same(curator, collection):
    curator.goto(form_of(collection[0]))
    assert point(curator) == PLACE
    expect(curator.locator(MARKER)).to_be_visible()
    click_at(curator.locator(".point-map"), 0.75, 0.3)
    expect(curator.locator("#id_latitude")).not_to_have_value(str(PLACE[0]))
    clicked = point(curator)
    assert clicked[0] > PLACE[0]
    assert clicked[1] > PLACE[1]
    marker = settled_box(curator.locator(MARKER))
    x, y = marker["x"] + marker["width"] / 2, marker["y"] + marker["height"] / 2
    curator.mouse.move(x, y)
    curator.mouse.down()
    curator.mouse.move(x - 60, y + 50, steps=4)
    curator.mouse.up()
    expect(curator.locator("#id_latitude")).not_to_have_value(str(clicked[0]))
    dragged = point(curator)
    assert dragged[0] < clicked[0]
    assert dragged[1] < clicked[1]
    curator.fill("#id_latitude", "10.5")
    curator.fill("#id_longitude", "20.25")
    curator.fill("#id_location_accuracy_m", "30")
    curator.fill("#id_bearing_deg", "45")
    expect(curator.locator("path.accuracy")).to_have_count(1)
    expect(curator.locator("path.bearing")).to_have_count(1)
    curator.click("input[name=_save]")
    expect(curator.locator(".messagelist .success")).to_be_visible()
    photo = Photo.objects.get(pk=collection[0].pk)
    assert (photo.latitude, photo.longitude, photo.location_accuracy_m, photo.bearing_deg) == (10.5, 20.25, 30, 45)


def test_segments_are_switched_off_and_a_similar_photo_lends_its_place(curator, collection):
    curator.goto(form_of(collection[0]))
    shown = curator.locator("path.segment:not(.off)")
    expect(shown).to_have_count(collection[0].segments.count())
    curator.get_by_label("all").uncheck()
    expect(shown).to_have_count(0)
    curator.locator("[data-segment]").first.check()
    expect(shown).to_have_count(1)
    curator.get_by_role("button", name="Clear the place").click()
    expect(curator.locator(MARKER)).to_have_count(0)
    curator.get_by_role("button", name="Use its place").click()
    assert point(curator) == pytest.approx(ELSEWHERE)
    expect(curator.locator(MARKER)).to_be_visible()
    curator.locator(".similar a").click()
    expect(curator.locator("h2").first).to_have_text("The second wall")


def test_many_files_are_sent_and_each_says_what_became_of_it(curator, collection, tmp_path: Path):
    files = [tmp_path / name for name in ("new.jpg", "again.jpg", "page.jpg")]
    wall(5).save(files[0], quality=92)
    files[1].write_bytes(files[0].read_bytes())
    files[2].write_bytes(b"<html></html>")
    curator.goto("/admin/photos/photo/upload/")
    curator.fill("#id_tags", "bulk, wall")
    curator.set_input_files("#id_images", files[0])
    expect(curator.locator(".uploads .added")).to_have_count(1)
    curator.set_input_files("#id_images", files[1:])
    expect(curator.locator(".uploads .duplicate")).to_have_count(1)
    expect(curator.locator(".uploads .refused")).to_contain_text("no picture that can be read")
    photo = Photo.objects.get(original_name="new.jpg")
    assert sorted(tag.name for tag in photo.tags.all()) == ["bulk", "wall"]
    assert photo.owner == User.objects.get(username="cleo")
    # the browser itself reports the two refusals as failed requests
    assert [line for line in curator.complaints if "409" in line or "415" in line] == curator.complaints
    curator.complaints.clear()


def test_no_page_is_wider_than_the_screen(curator, collection):
    proposal = collection[0].proposals.create(latitude=1, longitude=2, radius_m=300, source="visual")
    space = collection[0].embeddings.get().space
    for address in (
        "/admin/",
        "/admin/photos/photo/",
        "/admin/photos/photo/add/",
        "/admin/photos/photo/upload/",
        form_of(collection[0]),
        "/admin/photos/locationproposal/",
        f"/admin/photos/locationproposal/{proposal.pk}/change/",
        f"/admin/photos/embeddingspace/{space.pk}/change/",
        "/admin/search/searchrequest/",
        "/admin/queues/",
    ):
        curator.goto(address)
        expect(curator.locator("h1").first).to_be_visible()
        assert curator.evaluate("document.documentElement.scrollWidth <= innerWidth"), address


def test_the_apis_page_lists_every_operation(page, transactional_db):
    page.goto("/api/docs/")
    expect(page.locator(".operation")).to_have_count(10)
    operation = page.locator(".operation", has_text="Where was this picture taken?").first
    operation.get_by_text("200 application/json").click()
    expect(operation.get_by_text("location.latitude")).to_be_visible()
