"""A page of our own where the network is lost."""

from __future__ import annotations

from playwright.sync_api import expect


def test_without_a_network_a_page_says_so_and_goes_on_by_itself(page, transactional_db):
    page.goto("/about/")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    page.context.set_offline(True)
    page.goto("/photos/")
    expect(page.get_by_role("heading", name="No network")).to_be_visible()
    expect(page.get_by_role("link", name="Try again")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.button.primary')).borderRadius") != "0px"
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="Photos", level=1)).to_be_visible(timeout=30_000)
    page.complaints[:] = [one for one in page.complaints if "ERR_INTERNET_DISCONNECTED" not in one]
