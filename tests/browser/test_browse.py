"""Looking through the collection."""

from __future__ import annotations

from playwright.sync_api import expect


def test_the_gallery_leads_to_a_photo_with_its_place(page, collection):
    page.goto("/photos/")
    expect(page.locator(".grid li img")).to_have_count(2)
    page.get_by_role("link", name="The first wall").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The first wall")
    expect(page.locator("#map .pin")).to_be_visible()
    expect(page.locator("#map path.bearing")).to_be_attached()
    expect(page.get_by_text("41.01230, -40.00770")).to_be_visible()
    expect(page.locator(".strip li")).to_have_count(1)
    page.get_by_role("button", name="segment").click()
    expect(page.locator("#segments")).to_be_visible()


def test_the_gallery_is_filtered_by_tag_and_words(page, collection):
    page.goto("/photos/")
    page.get_by_text("Tags", exact=True).click()
    page.get_by_label("wall 2 (1)").click()  # not check(): the page goes on before the box could be looked at again
    expect(page.locator(".photo-card")).to_have_count(1)
    expect(page.get_by_text("1 photo", exact=True)).to_be_visible()
    assert "tag=wall-2" in page.url
    page.get_by_role("link", name="Remove the filter wall 2").click()
    expect(page.locator(".photo-card")).to_have_count(2)
    page.get_by_role("searchbox", name="Words").fill("nothing of the kind")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No photo fits these filters")).to_be_visible()


def test_arrow_keys_lead_to_the_next_photo(page, collection):
    page.goto(f"/photos/{collection[1].uuid}/")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", level=1)).to_have_text("The first wall")
    page.wait_for_load_state("load")  # modules run before it
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", level=1)).to_have_text("The second wall")


def test_an_empty_collection_teaches_how_to_fill_it(page, transactional_db):
    page.goto("/photos/")
    expect(page.get_by_text("import_photos")).to_be_visible()


def test_the_theme_can_be_chosen_and_stays(page, transactional_db):
    page.goto("/about/")
    before = page.evaluate("document.documentElement.dataset.theme")
    page.get_by_role("button", name="Switch between light and dark").click()
    after = page.evaluate("document.documentElement.dataset.theme")
    assert {before, after} == {"light", "dark"}
    page.goto("/photos/")
    assert page.evaluate("document.documentElement.dataset.theme") == after


def test_no_page_is_wider_than_the_screen(page, collection):
    for address in ("/", "/photos/", "/map/", f"/photos/{collection[0].uuid}/", "/about/", "/accounts/login/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
