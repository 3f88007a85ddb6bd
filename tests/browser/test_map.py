"""The collection's map: clusters, what they lead to, and the list beside them."""

from __future__ import annotations

from playwright.sync_api import expect

MARKERS = "#map .cluster-holder"


def test_clusters_part_as_one_goes_nearer(page, collection):
    page.goto("/map/?at=41.02,-39.99,4")
    expect(page.locator(MARKERS)).to_have_count(1)
    expect(page.locator("#in-view")).to_have_text("2 photos in view")
    page.locator(MARKERS).click()
    expect(page.locator(MARKERS)).to_have_count(2)
    names = {marker.get_attribute("aria-label") for marker in page.locator(MARKERS).all()}
    assert names == {"The first wall", "The second wall"}


def test_a_photo_is_opened_by_keyboard(page, collection):
    page.goto("/map/")
    expect(page.locator(MARKERS)).to_have_count(2)
    page.locator(f'{MARKERS}[aria-label="The first wall"]').focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("The first wall")


def test_the_map_is_a_list_too(page, collection):
    page.goto("/map/?at=41.0123,-40.0077,17")
    expect(page.locator("#list li")).to_have_count(1)
    expect(page.locator("#in-view")).to_have_text("1 photo in view")
    page.locator("#list a").focus()
    expect(page.locator(f"{MARKERS}.lit")).to_have_count(1)
    page.locator("#list a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The first wall")


def test_search_in_this_area_is_the_gallery_of_the_view(page, collection):
    page.goto("/map/?at=41.0123,-40.0077,16")
    expect(page.locator("#in-view")).to_have_text("1 photo in view")
    page.get_by_role("link", name="Search in this area").click()
    expect(page.locator(".photo-card")).to_have_count(1)
    expect(page.get_by_role("link", name="an area on the map")).to_be_visible()


def test_the_view_stands_in_the_address(page, collection):
    page.goto("/map/")
    expect(page.locator(MARKERS)).to_have_count(2)
    page.get_by_role("button", name="Zoom out").click()
    page.wait_for_function("new URL(location).searchParams.get('at')")
    at = page.evaluate("new URL(location).searchParams.get('at')")
    page.reload()
    page.wait_for_function("document.querySelector('.leaflet-marker-icon')")
    assert page.evaluate("new URL(location).searchParams.get('at')") == at


def test_filters_hold_on_the_map(page, collection):
    page.goto("/map/?tag=wall-2")
    expect(page.locator(MARKERS)).to_have_count(1)
    page.get_by_role("link", name="Remove the filter wall 2").click()
    expect(page.locator(MARKERS)).to_have_count(2)
