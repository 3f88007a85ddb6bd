"""What a visitor does with an answer: looks why, asks on with a part of the photo, shares, saves, suggests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from photos.models import LocationProposal, Photo
from search import asking, requests
from search.models import SearchRequest
from tests.browser.conftest import PLACE
from tests.browser.pointing import click_at, settled_box

ADDRESS = re.compile("/locate/[0-9a-f-]+/$")
Ask = Callable[[Path], SearchRequest]
at_a_desk = pytest.mark.parametrize("page", ["desktop"], indirect=True)
"""For what is the same at every width."""


@pytest.fixture
def ask(page: Page) -> Ask:
    """Asks by the page; the test's own process answers, which is quicker than starting a worker."""

    def ask_about(path: Path) -> SearchRequest:
        page.goto("/")
        page.set_input_files("#image", path)
        page.wait_for_url(ADDRESS)
        return answer(page)

    return ask_about


def answer(page: Page) -> SearchRequest:
    """Answer the newest question, and wait until the page shows it."""
    question = SearchRequest.objects.latest("pk")
    assert requests.run(question.pk)
    expect(page.locator("#result h1")).to_be_visible()
    return question


def sign_in(page: Page) -> User:
    user, client = User.objects.create_user("ada"), Client()
    client.force_login(user)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    page.context.add_cookies([{**cookie, "domain": str(urlsplit(page.url).hostname), "path": "/"}])  # type: ignore[typeddict-item]
    return user


def is_phone(page: Page) -> bool:
    return bool(page.evaluate("matchMedia('(pointer: coarse)').matches"))


def parameters() -> dict[str, Any]:
    return dict(SearchRequest.objects.latest("pk").parameters)


@at_a_desk
def test_a_first_look_comes_before_the_answer(page, collection, scene_files, monkeypatch):
    seen = []
    investigate = asking.investigate_question

    def look_on(*args, **options):
        expect(page.get_by_role("heading", name="A first look")).to_be_visible()
        expect(page.locator("#first-map .photo-pin").first).to_be_visible()
        seen.append(page.locator(".match").first.inner_text())
        return investigate(*args, **options)

    monkeypatch.setattr(requests, "investigate_question", look_on)
    page.goto("/")
    page.set_input_files("#image", scene_files["known"])
    page.wait_for_url(ADDRESS)
    answer(page)
    assert len(seen) == 1
    assert "The first wall" in seen[0]
    expect(page.locator(".first")).to_have_count(0)
    expect(page.locator("#map .answer-pin")).to_be_visible()
    expect(page.locator("#stage-news")).to_contain_text("Probably at")


@at_a_desk
def test_list_and_map_light_up_together(page, collection, scene_files, ask):
    ask(scene_files["known"])
    card, marker = page.locator(".match").first, page.locator("#map .photo-pin").first
    expect(marker).to_be_visible()
    card.locator("h3 a").focus()
    expect(marker).to_have_class(re.compile("lit"))
    page.locator("#map .leaflet-marker-icon[role=button]").first.focus()
    expect(card).to_have_class(re.compile("lit"))
    page.keyboard.press("Enter")
    expect(card.locator("h3 a")).to_be_focused()
    page.locator("summary", has_text="The map as a list").click()
    expect(page.locator(".places")).to_contain_text("41.01230, -40.00770")


def test_why_is_told_in_lines_words_and_pairs(page, collection, scene_files, ask):
    ask(scene_files["known"])
    expect(page.locator("#why .lines line").first).to_be_attached()
    expect(page.locator("#why-says")).to_contain_text("one and the same arrangement")
    page.locator("#why .segment-pair").first.focus()
    expect(page.locator("#why .lines rect:not(.halo)")).to_have_count(2)
    expect(page.locator("#why .lines line")).to_have_count(0)
    page.get_by_role("button", name="Why? 2. The second wall").click()
    expect(page.locator("#why-caption")).to_have_text("2. The second wall")
    expect(page.locator("#why-title")).to_be_focused()


def test_a_part_of_the_photo_is_asked_and_the_trail_leads_back(page, collection, scene_files, ask):
    whole = ask(scene_files["known"])
    page.get_by_role("link", name="Search with a part").click()
    region = page.locator("#region")
    page.wait_for_load_state("networkidle")  # the module that draws has come
    box = settled_box(region)
    if is_phone(page):
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    else:
        page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75, steps=5)
        page.mouse.up()
    expect(page.locator("#region-says")).to_contain_text("wide")
    before = page.url
    page.get_by_role("button", name="Search again").click()
    page.wait_for_url(lambda url: url != before and ADDRESS.search(url))
    x, y, width, height = parameters()["box"]
    share = 0.4 if is_phone(page) else 0.5
    assert (width / whole.width, height / whole.height) == pytest.approx((share, share), abs=0.03)
    assert (x + width / 2, y + height / 2) == pytest.approx((whole.width / 2, whole.height / 2), abs=25)
    answer(page)
    expect(page.locator("#result h1")).to_contain_text("Probably at 41.01")
    expect(page.locator("#chip-box input")).to_be_checked()
    expect(page.locator(".chip canvas")).to_have_count(9)
    page.get_by_role("navigation", name="Searches that led here").get_by_role("link").click()
    page.wait_for_url(before.partition("#")[0])


@at_a_desk
def test_a_segment_and_filters_are_asked(page, collection, scene_files, ask):
    ask(scene_files["known"])
    page.get_by_role("link", name="Search with a part").click()
    page.locator(".chip").nth(2).click()
    expect(page.locator("#region .segment-box.chosen")).to_have_count(1)
    page.fill("#refine-tags", "wall 1, wall")
    page.check("#refine-area input")
    before = page.url
    page.get_by_role("button", name="Search again").click()
    page.wait_for_url(lambda url: url != before and ADDRESS.search(url))
    asked = parameters()
    assert (asked["segment"], asked["tags"]) == (0, ["wall 1", "wall"])
    west, south, east, north = asked["filters"]["bbox"]
    assert west < PLACE[1] < east
    assert south < PLACE[0] < north


@at_a_desk
def test_everything_from_asking_to_asking_on_works_by_keyboard(page, collection, scene_files):
    choosers: list[object] = []

    def choose(chooser: Any) -> None:
        choosers.append(chooser)
        chooser.set_files(scene_files["known"])

    page.on("filechooser", choose)
    page.goto("/")
    tab_to(page, "document.activeElement.id === 'image'")
    page.keyboard.press("Enter")
    page.wait_for_url(ADDRESS)
    assert len(choosers) == 1
    answer(page)
    tab_to(page, "document.activeElement.hash === '#refine'")
    page.keyboard.press("Enter")
    expect(page.locator("#refine summary")).to_be_focused()
    tab_to(page, "document.activeElement.id === 'region'")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator("#region-says")).to_have_text(
        "Part of the photo: 32 % from the left, 32 % from the top, 42 % wide, 40 % high."
    )
    before = page.url
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != before and ADDRESS.search(url))
    assert len(parameters()["box"]) == 4


def tab_to(page: Page, condition: str, *, limit: int = 60) -> None:
    for _ in range(limit):
        page.keyboard.press("Tab")
        if page.evaluate(condition):
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            hidden = page.evaluate("document.activeElement.matches('input.file')")  # its label wears the outline
            assert hidden or outline == "solid", "the focus is not visible"
            return
    raise AssertionError(f"no {limit} tabs lead to where {condition}")


@at_a_desk
def test_an_answer_is_shared_by_link_and_not_any_more(page, browser, collection, scene_files, ask):
    ask(scene_files["known"])
    page.get_by_role("link", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Link to this answer").input_value()
    stranger = browser.new_context()
    try:
        reader = stranger.new_page()
        reader.route("**/tile.openstreetmap.org/**", lambda route: route.abort())
        reader.goto(link)
        expect(reader.get_by_role("heading", level=1)).to_contain_text("Probably at 41.01")
        expect(reader.locator("#map .answer-pin")).to_be_visible()
        expect(reader.locator("#why .lines line").first).to_be_attached()
        page.get_by_role("button", name="Stop sharing").click()
        expect(page.get_by_role("button", name="Make a link")).to_be_visible()
        assert reader.goto(link).status == 404
    finally:
        stranger.close()


def test_the_photo_is_saved_where_the_marker_is_put(page, collection, scene_files, ask):
    page.goto("/")
    user = sign_in(page)
    ask(scene_files["known"])
    page.get_by_role("link", name="Save to the collection here").click()
    place = page.locator("#place-map")
    place.scroll_into_view_if_needed()  # it is drawn when it is seen
    expect(place.locator(".answer-pin")).to_be_visible()
    latitude = page.input_value("#save-latitude")
    click_at(place, 0.7, 0.3)
    expect(page.locator("#save-latitude")).not_to_have_value(latitude)
    assert float(page.input_value("#save-latitude")) > float(latitude)
    page.fill("#save-name", "My wall")
    page.get_by_role("button", name="Save to the collection", exact=True).click()
    expect(page.get_by_text("This photo is in the collection.")).to_be_visible()
    photo = Photo.objects.get(title="My wall")
    assert (photo.owner, photo.location_source) == (user, "manual")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back.")).to_be_visible()
    assert not Photo.objects.filter(title="My wall").exists()


@at_a_desk
def test_a_visitor_suggests_a_place_on_the_map(page, collection, scene_files, ask):
    ask(scene_files["unknown"])
    page.get_by_role("link", name="Suggest another place").click()
    place = page.locator("#place-map")
    place.scroll_into_view_if_needed()  # it is drawn when it is seen
    expect(place.locator(".leaflet-control-zoom")).to_be_visible()
    click_at(place, 0.5, 0.5)
    expect(place.locator(".answer-pin")).to_be_visible()
    page.get_by_role("button", name="Send to the curators").click()
    expect(page.get_by_text("Thank you for your suggestion")).to_be_visible()
    assert LocationProposal.objects.get().source == "visitor"


def test_in_the_dark_everything_is_dark_and_readable(page, collection, scene_files, ask):
    page.emulate_media(color_scheme="dark")
    ask(scene_files["known"])
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    for selector in ("h1", ".verdict p:not(.eyebrow)", ".match h3 a", ".sources td", ".drawer h2", ".eyebrow"):
        assert contrast(page, selector) >= 4.5, selector


def contrast(page: Page, selector: str) -> float:
    """The contrast of an element's text with what is behind it, as WCAG measures."""
    return float(
        page.evaluate(
            """(selector) => {
              const luminance = (colour) => {
                const channels = colour.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255);
                const [r, g, b] = channels.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              let element = document.querySelector(selector);
              const ink = luminance(getComputedStyle(element).color);
              const isClear = () => /, 0\\)$|transparent/.test(getComputedStyle(element).backgroundColor);
              while (isClear()) element = element.parentElement;
              const paper = luminance(getComputedStyle(element).backgroundColor);
              return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            }""",
            selector,
        )
    )
