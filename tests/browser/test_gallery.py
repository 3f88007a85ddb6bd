"""The gallery under the hand: scrolling on, coming back, choosing."""

from __future__ import annotations

import re

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from playwright.sync_api import expect

from photos.models import Photo
from tests.browser.signing_in import sign_in
from tests.browser.walls import wall
from tests.photos.pictures import encode

CARDS = ".photo-card"


@pytest.fixture
def many(collection, monkeypatch):
    """Pages of a dozen, and five of them; the pictures are small, so that their copies cost nothing."""
    monkeypatch.setattr("photos.pages.gallery.PAGE_SIZE", 12)
    size = (96, 72)
    name = default_storage.save("photos/aa/small.jpg", ContentFile(encode(wall(3).resize(size))))
    rows = [
        Photo(
            image=name,
            sha256=f"{number:064x}",
            width=size[0],
            height=size[1],
            title=f"Copy {number}",
            state="ready",
        )
        for number in range(58)
    ]
    return Photo.objects.bulk_create(rows)


def test_scrolling_brings_more_and_the_back_button_comes_back(page, many):
    page.goto("/photos/")
    expect(page.locator(CARDS)).to_have_count(12)
    for shown in (24, 36):
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        expect(page.locator(CARDS)).to_have_count(shown, timeout=20_000)
    card = page.locator(CARDS).nth(30)
    name, identity = card.locator("a").inner_text().strip(), card.get_attribute("id")
    card.locator("a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.go_back()
    expect(page.locator(f"#{identity}")).to_be_in_viewport()


def test_photos_are_chosen_and_taken_along(page, collection):
    page.goto("/photos/")
    boxes = page.get_by_role("checkbox", name=re.compile("^Choose "))
    boxes.first.check()
    expect(page.locator("#chosen [data-count]")).to_have_text("1 photo chosen")
    page.get_by_role("link", name=re.compile("The first wall")).first.focus()
    page.keyboard.press("x")
    expect(page.locator("#chosen [data-count]")).to_have_text("2 photos chosen")
    page.keyboard.press("Escape")
    expect(page.locator(".is-chosen")).to_have_count(0)
    boxes.nth(1).check()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert "The first wall" in text
    assert "The second wall" not in text
    page.get_by_role("link", name="Show on the map").click()
    expect(page.get_by_text("1 photo in view")).to_be_visible()


def test_shift_chooses_a_range(page, many):
    page.goto("/photos/")
    boxes = page.get_by_role("checkbox", name=re.compile("^Choose "))
    boxes.nth(1).click()
    boxes.nth(5).click(modifiers=["Shift"])
    expect(page.locator(".is-chosen")).to_have_count(5)


def test_curators_change_many_and_take_it_back(page, live_server, collection):
    sign_in(page, live_server, is_staff=True)
    page.goto("/photos/")
    for box in page.get_by_role("checkbox", name=re.compile("^Choose ")).all():
        box.check()
    page.get_by_role("button", name="Make private").click()
    expect(page.get_by_text("2 photos were changed.")).to_be_visible()
    assert Photo.objects.filter(visibility="private").count() == 2
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone for 2 photos.")).to_be_visible()
    assert not Photo.objects.filter(visibility="private").exists()
