"""axe-core finds nothing against WCAG 2.2 AA on any page, in light and dark."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ADDRESSES = ["/", "/photos/", "/photos/?q=nothing+of+the+kind", "/map/", "/places/", "/accuracy/", "/about/"]
ADDRESSES += ["/accounts/login/", "/nothing-here/", "/offline/", "/api/docs/"]
ANSWER_MS = 60_000


def complaints_of(page: Any) -> list[str]:
    """Return what axe-core finds against the standards, with the elements concerned."""
    page.wait_for_load_state("networkidle")
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("standards => axe.run({runOnly: standards, resultTypes: ['violations']})", STANDARDS)
    return [
        f"{page.url} {one['id']} ({one['impact']}): {node['target']} {node['html'][:160]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def in_both_themes(page: Any) -> list[str]:
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.reload()
        found += [f"{scheme}: {complaint}" for complaint in complaints_of(page)]
    return found


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_page_is_accessible(page, collection, address):
    page.goto(address)
    assert in_both_themes(page) == []
    page.complaints[:] = [one for one in page.complaints if "404" not in one]  # the page that is missing on purpose


def test_the_photo_page_is_accessible(page, collection):
    page.goto(f"/photos/{collection[0].uuid}/")
    assert in_both_themes(page) == []


@pytest.mark.parametrize("picture", ["known", "unknown"])
def test_the_answer_is_accessible(page, collection, worker, scene_files, picture):
    page.goto("/")
    page.set_input_files("#image", scene_files[picture])
    page.wait_for_url(re.compile("/locate/[0-9a-f-]+/"))
    expect(page.locator("#result h1")).to_be_visible(timeout=ANSWER_MS)
    assert in_both_themes(page) == []
