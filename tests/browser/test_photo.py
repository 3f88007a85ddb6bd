"""One photo under the hand: its parts, its tags, near and far, and its neighbours."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from photos.services.tagging import get_or_create_tag
from tests.browser.signing_in import sign_in


@pytest.fixture
def scale(page):
    """How much nearer the picture is."""
    return lambda: page.evaluate("new DOMMatrix(getComputedStyle(document.querySelector('.frame')).transform).a")


def test_segments_are_shown_with_what_they_are(page, collection):
    segment = collection[0].segments.order_by("rank").first()
    segment.segment_tags.create(tag=get_or_create_tag("poster"))
    page.goto(f"/photos/{collection[0].uuid}/")
    toggle = page.get_by_role("button", name="segments")
    expect(page.locator("#segments")).to_be_hidden()
    toggle.click()
    expect(page.locator("#segments path")).to_have_count(collection[0].segments.count())
    poster = page.get_by_role("button", name="poster")
    poster.focus()
    lit = page.locator("#segments path.lit")
    expect(lit).to_have_attribute("data-segment", str(segment.rank + 1))
    poster.click()
    expect(page.locator("#segments path.held")).to_have_count(1)
    page.keyboard.press("s")
    expect(page.locator("#segments")).to_be_hidden()
    expect(poster).to_be_hidden()


def test_tags_on_the_photo_lead_on_and_can_be_put_away(page, collection):
    page.goto(f"/photos/{collection[0].uuid}/")
    page.locator("#picture-tags").get_by_role("link", name="wall 1").click()
    expect(page.locator(".photo-card")).to_have_count(1)
    page.goto(f"/photos/{collection[0].uuid}/")
    page.locator("#toggle-tags").click()
    expect(page.locator("#picture-tags")).to_be_hidden()
    page.reload()
    expect(page.locator("#picture-tags")).to_be_hidden()


def test_one_goes_nearer_by_keys_buttons_and_wheel(page, collection, scale):
    page.goto(f"/photos/{collection[0].uuid}/")
    page.wait_for_load_state("load")
    page.keyboard.press("+")
    assert scale() == pytest.approx(1.5)
    page.get_by_role("button", name="Zoom in").first.click()
    assert scale() == pytest.approx(2.25)
    page.keyboard.press("0")
    assert scale() == 1
    page.locator("#stage").focus()
    page.locator("#stage").hover()
    page.mouse.wheel(0, -300)
    page.wait_for_function("document.querySelector('#stage').classList.contains('is-zoomed')")
    page.keyboard.press("-")
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert scale() == 1


def test_two_fingers_spread_the_picture(page, collection, scale):
    page.goto(f"/photos/{collection[0].uuid}/")
    page.wait_for_load_state("load")
    page.locator("#stage").scroll_into_view_if_needed()
    page.evaluate(
        """() => {
          const stage = document.getElementById("stage");
          const { left, top, width, height } = stage.getBoundingClientRect();
          const at = (type, pointerId, dx) => stage.dispatchEvent(new PointerEvent(type, { pointerId, bubbles: true,
            clientX: left + width / 2 + dx, clientY: top + height / 2 }));
          stage.setPointerCapture = () => {};
          at("pointerdown", 1, -40); at("pointerdown", 2, 40); at("pointermove", 2, 120);
          at("pointerup", 1, -40); at("pointerup", 2, 120);
        }"""
    )
    assert scale() == pytest.approx(2)


def test_the_next_photo_is_the_next_that_fits(page, collection):
    page.goto("/photos/?tag=wall")
    page.get_by_role("link", name="The second wall").click()
    page.wait_for_load_state("load")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", level=1)).to_have_text("The first wall")
    assert "tag=wall" in page.url
    expect(page.locator("#older")).to_have_count(0)
    page.wait_for_load_state("load")
    page.keyboard.press("g")
    expect(page.locator(".photo-card")).to_have_count(2)
    page.goto(f"/photos/{collection[1].uuid}/?tag=wall-2")
    expect(page.get_by_role("heading", level=1)).to_have_text("The second wall")
    expect(page.locator("#older")).to_have_count(0)


def test_the_keys_are_told(page, collection):
    page.goto(f"/photos/{collection[0].uuid}/")
    page.wait_for_load_state("load")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_curators_see_its_past(page, live_server, collection):
    sign_in(page, live_server, is_staff=True)
    page.goto(f"/photos/{collection[0].uuid}/")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    expect(page.locator(".history li")).to_have_count(2)
