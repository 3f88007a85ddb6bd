"""The accuracy page: how right the answers are, for everyone to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from photos.errors import CollectionError, NoActiveSpaceError
from photos.models import EmbeddingSpace
from photos.querysets import is_curator
from photos.services.spaces import active_space
from photos.services.switching import find_space
from search.calibration_pages import calibration_context
from search.charts import circle_chart, error_chart, risk_chart
from search.evaluation import accuracy, background
from search.evaluation.localisation_run import NothingToMeasureError, stop_report
from search.models import EvaluationReport
from search.telling_accuracy import error_labels, metres, summarize, tell_rows

RISK_DISTANCE: Final = "100"
SHOWN_TABLES: Final = ("answers", "recall", "tags", "years")


@require_safe
def accuracy_page(request: HttpRequest) -> HttpResponse:
    """Show the newest report of a space, and another's beside it; without one, how to get it."""
    spaces, curates = accuracy.measured_spaces(), is_curator(request.user)
    own = _curated_space(request) if curates else None
    is_new = own is not None and own.slug == request.GET.get("space") and own not in spaces
    reports = [] if is_new else _chosen_reports(request, spaces)
    context: dict[str, Any] = {"section": "accuracy", "spaces": spaces, "curates": curates, "space": own}
    if curates:
        context |= {"progress": background.running_progress(), "failed": own and accuracy.newest_failure(own)}
    if reports:
        context |= _report_context(request, reports)
    if own is not None:
        context["calibration"] = calibration_context(own)
    return render(request, "accuracy/page.html", context)


@require_safe
def accuracy_progress(request: HttpRequest) -> HttpResponse:
    """Show how far a run has come; the page loads itself anew when it is done."""
    if not is_curator(request.user):
        return HttpResponseForbidden()
    progress = background.running_progress()
    response = render(request, "accuracy/progress.html", {"progress": progress})
    if progress is None:
        response["HX-Refresh"] = "true"
    return response


@require_POST
def accuracy_measure(request: HttpRequest) -> HttpResponse:
    """Have the workers measure a space: for curators."""
    if not is_curator(request.user):
        return HttpResponseForbidden()
    slug = request.POST.get("space", "")
    try:
        space = find_space(slug) if slug else active_space()
        if space is None:
            raise Http404
        background.request_report(space)
    except (NothingToMeasureError, CollectionError) as exc:
        messages.error(request, str(exc))
    return redirect("accuracy")


@require_POST
def accuracy_stop(request: HttpRequest) -> HttpResponse:
    """Give up what is being measured: for curators."""
    if not is_curator(request.user):
        return HttpResponseForbidden()
    number = request.POST.get("report", "")
    if number.isdecimal() and len(number) < 19 and stop_report(int(number)):
        messages.success(request, _("Stopped; nothing of it was kept."))
    return redirect("accuracy")


@require_safe
def accuracy_json(request: HttpRequest) -> HttpResponse:
    """Return the shown reports as JSON: numbers over all photos."""
    reports = _chosen_reports(request, accuracy.measured_spaces())
    if not reports:
        raise Http404
    told = [accuracy.describe_report_to(report, request.user) for report in reports]
    response = JsonResponse(told if len(told) > 1 else told[0], safe=False, json_dumps_params={"indent": 2})
    response["Content-Disposition"] = f'attachment; filename="accuracy-{reports[0].space.slug}.json"'
    return response


def _curated_space(request: HttpRequest) -> EmbeddingSpace | None:
    """Return the space that a curator measures and calibrates here: that of `?space=`, else the active one."""
    slug = request.GET.get("space")
    try:
        return find_space(slug) if slug else active_space()
    except NoActiveSpaceError:
        return None


def _chosen_reports(request: HttpRequest, spaces: Sequence[EmbeddingSpace]) -> list[EvaluationReport]:
    """Return the reports of `?space=` and `&beside=`, by default of the space that searches use alone."""
    by_slug = {space.slug: space for space in spaces}
    if not by_slug:
        return []
    first = request.GET.get("space") or spaces[0].slug
    chosen = list(dict.fromkeys(slug for slug in (first, request.GET.get("beside")) if slug))
    if not by_slug.keys() >= set(chosen):
        raise Http404(_("This space has not been measured."))
    found = (accuracy.newest_report(by_slug[slug]) for slug in chosen)
    return [report for report in found if report is not None]


def _report_context(request: HttpRequest, reports: Sequence[EvaluationReport]) -> dict[str, Any]:
    told = [accuracy.describe_report_to(report, request.user) for report in reports]
    errors = accuracy.map_errors(reports[0], viewer=request.user)
    rows = [one | {"error_words": metres(one["error_m"]), "radius_words": metres(one["radius_m"])} for one in errors]
    labels, tables = error_labels(told[0]), tell_rows(told)
    return {
        "reports": reports,
        "told": told,
        "summary": summarize(told),
        "tables": tables,
        "tables_shown": [tables[name] for name in SHOWN_TABLES if tables[name]],
        "risk": risk_chart(told, distance=RISK_DISTANCE),
        "circle": circle_chart(told),
        "histograms": [(one["space"], error_chart(one, labels)) for one in told],
        "errors": rows,
        "map_data": {"rows": rows},
        "query": request.GET.urlencode(),
    }
