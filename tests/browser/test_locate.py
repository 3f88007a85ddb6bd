"""Asking where a photo was taken, as a visitor does."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from photos.models import Photo
from search.models import SearchRequest

ANSWER_MS = 60_000
DROP = """([bytes, name]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
  document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
}"""

PASTE = """(bytes) => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([new Uint8Array(bytes)], "image.jpg", { type: "image/jpeg" }));
  document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
}"""


def wait_until(page, condition):
    for _ in range(50):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came to that")


def drop(page, path):
    page.evaluate(DROP, [list(path.read_bytes()), path.name])


@pytest.mark.slow
def test_a_dropped_photo_of_a_known_place_is_placed_on_the_map(page, collection, worker, scene_files):
    page.goto("/")
    drop(page, scene_files["known"])
    page.wait_for_url(re.compile("/locate/[0-9a-f-]+/"), timeout=ANSWER_MS)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Probably at 41.01", timeout=ANSWER_MS)
    expect(page.locator("#map .answer-pin")).to_be_visible()
    expect(page.locator("#map path.radius").first).to_be_attached()
    expect(page.locator(".match").first).to_contain_text("The first wall")
    expect(page.locator(".match").first).to_contain_text("same place, confirmed")
    expect(page.locator("#why .lines line").first).to_be_attached()
    assert Photo.objects.count() == len(collection), "a question never joins the collection"
    assert "secret-1" not in page.content()


@pytest.mark.slow
def test_an_unknown_place_is_not_placed(page, collection, worker, scene_files):
    page.goto("/")
    page.set_input_files("#image", scene_files["unknown"])
    expect(page.get_by_role("heading", level=1)).to_contain_text("cannot place", timeout=ANSWER_MS)
    expect(page.locator("#map .answer-pin")).to_have_count(0)
    expect(page.get_by_text("Alike, unverified")).to_be_visible()


def test_a_file_that_is_no_picture_is_refused_with_the_reason(page, collection, scene_files):
    page.goto("/")
    drop(page, scene_files["broken"])
    expect(page.get_by_role("alert")).to_contain_text("JPEG")
    expect(page.locator("label[for=image]")).to_be_visible()
    assert not SearchRequest.objects.exists()
    page.complaints[:] = [text for text in page.complaints if "415" not in text and "400" not in text]


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(page, settings, collection, scene_files):
    settings.MAX_UPLOAD_MIB = 1
    large = scene_files["known"].with_name("large.jpg")
    large.write_bytes(scene_files["known"].read_bytes() + bytes(1024 * 1024))
    page.goto("/")
    page.set_input_files("#image", large)
    expect(page.get_by_role("alert")).to_contain_text("1 MiB")


def test_a_network_lost_on_the_way_keeps_the_photo_for_another_try(page, collection, scene_files):
    page.goto("/")
    sent: list[Route] = []
    page.route("**/", lambda route: sent.append(route) if route.request.method == "POST" else route.fallback())
    page.set_input_files("#image", scene_files["unknown"])
    for attempt in range(2):
        expect(page.get_by_role("button", name="Cancel")).to_be_visible()
        wait_until(page, lambda: bool(sent))
        sent.pop().abort("internetdisconnected")
        expect(page.get_by_role("alert")).to_contain_text("network was lost")
        expect(page.locator(".preview")).to_be_visible()
        expect(page.get_by_role("button", name="Try again")).to_be_focused()
        if attempt == 0:
            page.keyboard.press("Enter")
    assert not SearchRequest.objects.exists()
    page.unroute("**/")
    page.context.set_offline(True)
    page.context.set_offline(False)  # back on the network, it is sent without being asked for
    page.wait_for_url(re.compile("/locate/[0-9a-f-]+/"))
    assert SearchRequest.objects.count() == 1
    page.complaints[:] = [text for text in page.complaints if "ERR_INTERNET_DISCONNECTED" not in text]


def test_sending_is_cancelled(page, collection, scene_files):
    page.goto("/")
    page.route("**/", lambda route: None if route.request.method == "POST" else route.fallback())
    page.set_input_files("#image", scene_files["unknown"])
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_contain_text("Cancelled")
    expect(page.locator("#image")).to_be_focused()
    assert not SearchRequest.objects.exists()


def test_a_picture_is_pasted_anywhere(page, collection, scene_files):
    page.goto("/")
    page.evaluate(PASTE, list(scene_files["unknown"].read_bytes()))
    page.wait_for_url(re.compile("/locate/[0-9a-f-]+/"))
    assert SearchRequest.objects.get().original_name == "image.jpg"


def test_what_is_no_picture_is_not_even_sent(page, collection, tmp_path):
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(b"%PDF-1.4")
    page.goto("/")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.set_input_files("#image", letter)
    expect(page.get_by_role("alert")).to_contain_text("Send a JPEG, PNG, WebP, TIFF or HEIC file.")
    assert posts == []


def test_the_question_is_light(page, collection):
    """Everything that the first page loads, in bytes as sent; maps come only with an answer."""
    sizes: dict[str, int] = {}
    page.on("response", lambda response: sizes.update({response.url: len(response.body())}))
    page.goto("/", wait_until="networkidle")
    assert not [url for url in sizes if "leaflet" in url]
    assert 20_000 < sum(sizes.values()) < 120_000, sizes


def test_the_answer_is_private_to_its_asker(page, browser, live_server, collection, scene_files):
    page.goto("/")
    page.set_input_files("#image", scene_files["unknown"])
    page.wait_for_url(re.compile("/locate/[0-9a-f-]+/"))
    stranger = browser.new_context()
    try:
        answer = stranger.request.get(page.url)
        assert answer.status == 404
    finally:
        stranger.close()


def test_the_question_can_be_asked_by_keyboard(page, collection):
    choosers: list[object] = []
    # before the page is there: the browser takes its time to agree
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "image":
            break
    assert page.evaluate("document.activeElement.id") == "image"
    page.keyboard.press("Enter")
    for _ in range(50):
        if choosers:
            break
        page.wait_for_timeout(100)
    assert len(choosers) == 1
