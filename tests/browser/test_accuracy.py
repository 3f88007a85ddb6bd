"""The accuracy page in a browser: charts, tables, and the map of what was answered."""

from __future__ import annotations

from django.utils import timezone
from playwright.sync_api import expect

from photos.models import Photo
from photos.services.spaces import active_space
from search.calibration import SHIPPED_PRIOR
from search.models import EvaluationReport
from tests.browser.signing_in import sign_in
from tests.browser.test_accessibility import in_both_themes


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


def test_a_curator_decides_on_a_calibration(page, collection, live_server):
    from search.evaluation.localisation_run import tell_prior

    sign_in(page, live_server, is_staff=True)
    shares = {"answered": 0.8, "near": 0.9, "held": 0.99, "refused": 0.7}
    side = {"prior": tell_prior(SHIPPED_PRIOR), "figures": shares}
    after = {"prior": {**side["prior"], "threshold": 0.97}, "figures": {**shares, "refused": 0.99}}
    fit = {"before": side, "after": after, "trials": 60, "same": 9, "other": 9, "answers": {}}
    report = {"purpose": "calibration", "audience": "everyone", "state": "done", "results": {}, "fit": fit}
    EvaluationReport.objects.create(space=active_space(), finished_at=timezone.now(), **report)
    page.goto("/accuracy/")
    expect(page.get_by_role("row", name="of the places that are not here are refused")).to_contain_text("99")
    page.get_by_text("The values themselves").first.click()
    expect(page.get_by_role("row", name="least probability of an answer")).to_contain_text("0.97")
    assert in_both_themes(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Use these values").press("Enter")
    expect(page.get_by_text("In use: values fitted to 60 photos")).to_be_visible()
    page.get_by_role("button", name="Back to the shipped values").click()
    expect(page.get_by_text("In use: the shipped values")).to_be_visible()


def test_a_curator_stops_a_measurement(page, collection, live_server):
    sign_in(page, live_server, is_staff=True)
    page.goto("/accuracy/")
    page.get_by_role("button", name="Measure now").click()
    expect(page.get_by_text("0 of 2 questions")).to_be_visible()
    assert in_both_themes(page) == []
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped; nothing of it was kept.")).to_be_visible()
    expect(page.get_by_role("button", name="Measure now")).to_be_visible()
