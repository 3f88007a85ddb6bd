"""Places: found, looked at, followed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from photos.services import collection as service
from photos.services.tagging import get_or_create_tag
from tests.browser.signing_in import sign_in
from tests.browser.walls import wall
from tests.photos.pictures import encode


@pytest.fixture
def harbour(collection):
    tag = get_or_create_tag("Wall Harbour", category="town", is_place=True)
    for photo in collection:
        photo.photo_tags.create(tag=tag)
    return tag


def test_a_place_is_found_and_looked_at(page, harbour):
    page.goto("/places/")
    page.get_by_role("searchbox", name="Name").fill("harb")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Wall Harbour").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Wall Harbour")
    expect(page.locator(".photo-card")).to_have_count(2)
    expect(page.locator("#map .cluster-holder")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_place_is_followed(page, live_server, harbour):
    sign_in(page, live_server, name="vera")
    page.goto("/places/wall-harbour/")
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.get_by_role("button", name="Following")).to_be_visible()
    service.add_photo(encode(wall(7), quality=90), title="A new wall", tags=["Wall Harbour"])
    page.goto("/about/")
    badge = page.get_by_role("link", name="Following")
    expect(badge).to_contain_text("1")
    badge.click()
    expect(page.get_by_role("link", name="A new wall")).to_be_visible()
    page.get_by_role("button", name="Seen (Wall Harbour)").click()
    expect(page.get_by_text("Nothing new since")).to_be_visible()
    page.get_by_role("button", name="Unfollow Wall Harbour").click()
    expect(page.get_by_text("You follow no place yet")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Wall Harbour")).to_be_visible()


@pytest.mark.parametrize("address", ["/photos/", "/map/", "/places/", "/places/wall-harbour/"])
def test_it_is_dark_where_the_system_is(page, harbour, address):
    page.emulate_media(color_scheme="dark")
    page.goto(address)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    background, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert sum(map(int, background[4:-1].split(", "))) < 150
    assert sum(map(int, ink[4:-1].split(", "))) > 600
