"""The accuracy page in a browser: charts, tables, and the map of what was answered."""

from __future__ import annotations

from playwright.sync_api import expect

from photos.models import Photo
from photos.services.spaces import active_space


def measure() -> None:
    """Have a finished report whose first photo was answered, 30 m off, from the other one."""
    from search.evaluation import background

    report = background.request_report(active_space())
    background.run_slice(report.pk)
    first, second = Photo.objects.filter(latitude__isnull=False).order_by("pk")[:2]
    trial = report.trials.get(photo=first, is_absent=False)
    outcome = {"radius_m": 60.0, "error_m": 30.0, "probability": 0.9, "is_held": True, "rests_on": [second.pk]}
    answer = [first.latitude, (first.longitude or 0.0) + 0.0003]
    trial.record = {**(trial.record or {}), "outcome": {**outcome, "answer": answer}}
    trial.save()


def test_the_figures_stand_in_charts_tables_and_a_map(page, collection):
    measure()
    page.goto("/accuracy/")
    expect(page.get_by_role("heading", level=1)).to_have_text("How right are the answers?")
    expect(page.locator("svg.chart")).to_have_count(3)
    expect(page.locator(".summary .big")).to_have_count(4)
    page.get_by_text("The numbers").first.click()
    expect(page.get_by_role("table", name="Risk by share answered")).to_be_visible()
    expect(page.locator("#errors-map path.error-line")).to_have_count(1)
    page.locator("#errors-map path.error-dot").dispatch_event("click")
    expect(page.locator(".error-popup")).to_contain_text("30 m")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_a_report_the_page_says_so(page, collection):
    page.goto("/about/")
    page.get_by_role("link", name="Accuracy").click()
    expect(page.get_by_role("heading", name="Not measured yet")).to_be_visible()
