"""Pointing at a place within an element, once the page has come to rest."""

from __future__ import annotations

from typing import TypedDict

from playwright.sync_api import Locator

AT_REST_MS = 100
MOST_LOOKS = 100


class Box(TypedDict):
    x: float
    y: float
    width: float
    height: float


def settled_box(element: Locator) -> Box:
    """Return the element's box in the window when it is in view and stands still: a page may still be scrolling."""
    element.scroll_into_view_if_needed()
    former = None
    for _ in range(MOST_LOOKS):
        box = element.bounding_box()
        if box is not None and box == former:
            return Box(x=box["x"], y=box["y"], width=box["width"], height=box["height"])
        former = box
        element.page.wait_for_timeout(AT_REST_MS)
    raise AssertionError(f"{element} does not come to rest")


def click_at(element: Locator, across: float, down: float) -> None:
    """Click at shares of an element's sides."""
    box = settled_box(element)
    element.click(position={"x": box["width"] * across, "y": box["height"] * down})
