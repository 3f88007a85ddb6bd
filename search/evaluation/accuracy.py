"""Reports as they are shown and handed out: numbers for everyone, and on the map only what the viewer may know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _

from photos.models import EmbeddingSpace, LocationVisibility, Photo, PhotoTag, Visibility
from photos.querysets import Viewer, is_curator
from search.evaluation_models import Audience, EvaluationReport, EvaluationTrial, ReportPurpose, ReportState

MOST_MAPPED: Final = 500
MOST_READ: Final = 2000
"""So many of the worst answers are looked at for those that the viewer may know."""

LEAST_GROUP: Final = 5
"""A group of fewer photos, private ones among them, would tell of single ones."""


# --- finding one ----------------------------------------------------------------------------------------


def newest_report(space: EmbeddingSpace) -> EvaluationReport | None:
    """Return the space's latest finished accuracy report."""
    done = EvaluationReport.objects.filter(space=space, purpose=ReportPurpose.ACCURACY, state=ReportState.DONE)
    return done.select_related("space").order_by("-finished_at", "-id").first()


def newest_failure(space: EmbeddingSpace) -> EvaluationReport | None:
    """Return the space's latest accuracy report if it failed; `error` says why."""
    over = EvaluationReport.objects.filter(space=space, purpose=ReportPurpose.ACCURACY)
    newest = over.exclude(state=ReportState.RUNNING).order_by("-id").first()
    return newest if newest is not None and newest.state == ReportState.FAILED else None


def measured_spaces() -> list[EmbeddingSpace]:
    """Return the spaces with a finished accuracy report, the active one first."""
    measured = EvaluationReport.objects.filter(purpose=ReportPurpose.ACCURACY, state=ReportState.DONE)
    spaces = EmbeddingSpace.objects.filter(pk__in=measured.values("space"))
    return sorted(spaces, key=lambda space: (space.state != "active", space.slug))


# --- telling it -----------------------------------------------------------------------------------------


def describe_report_to(report: EvaluationReport, viewer: Viewer) -> dict[str, Any]:
    """Return a report as JSON values, as `viewer` may know it.

    Where private photos were measured, others than curators hear of no group that is small, and of no tag that no
    public photo has.
    """
    told = describe_report(report)
    if is_curator(viewer) or report.audience == Audience.EVERYONE:
        return told
    groups = {name: _large_groups(told["results"][name]) for name in ("by_tag", "by_year")}
    names = [one["name"] for one in groups["by_tag"]]
    public = PhotoTag.objects.filter(photo__visibility=Visibility.PUBLIC, tag__name__in=names)
    known = set(public.values_list("tag__name", flat=True).distinct())
    groups["by_tag"] = [one for one in groups["by_tag"] if one["name"] in known]
    return {**told, "results": {**told["results"], **groups}}


def _large_groups(groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in groups if one["n"] >= LEAST_GROUP]


def describe_report(report: EvaluationReport) -> dict[str, Any]:
    """Return a report as JSON values, with all of its numbers."""
    return {
        "space": report.space.slug,
        "encoder": report.space.encoder,
        "segmenter": report.space.segmenter,
        "audience": report.audience,
        "settings": report.settings,
        "code_version": report.code_version,
        "measured_at": None if report.finished_at is None else report.finished_at.isoformat(timespec="seconds"),
        "results": report.results,
    }


def map_errors(report: EvaluationReport, *, viewer: Viewer) -> list[dict[str, Any]]:
    """Return the answers with their photos' true places, the worst first, of the photos that everyone may see there.

    Curators get all of them. For everyone else an answer that rests on a private photo or a hidden place is left
    out as well: where it points would tell of it.
    """
    answered = EvaluationTrial.objects.filter(report=report, is_absent=False, record__outcome__error_m__isnull=False)
    rows = list(answered.order_by("-record__outcome__error_m", "pk").select_related("photo")[:MOST_READ])
    open_ids = None if is_curator(viewer) else _open_photos(rows)
    mapped = (_mapped(row, viewer) for row in rows if open_ids is None or _is_open(row, open_ids))
    found = [one for one in mapped if one is not None]
    return sorted(found, key=lambda one: (-one["error_m"], one["url"]))[:MOST_MAPPED]


def _open_photos(rows: Sequence[EvaluationTrial]) -> frozenset[int]:
    """Return which of the photos that matter to the answers are public, at a place that everyone may know."""
    asked = {row.photo_id for row in rows} | {one for row in rows for one in _outcome(row)["rests_on"]}
    public = Photo.objects.all().visible_to(None).filter(location_visibility=LocationVisibility.EXACT)
    return frozenset(public.filter(pk__in=asked).values_list("pk", flat=True))


def _is_open(row: EvaluationTrial, open_ids: frozenset[int]) -> bool:
    return open_ids.issuperset({row.photo_id, *_outcome(row)["rests_on"]})


def _outcome(row: EvaluationTrial) -> dict[str, Any]:
    return dict((row.record or {})["outcome"])


def _mapped(row: EvaluationTrial, viewer: Viewer) -> dict[str, Any] | None:
    """Return one answer with its truth, None where the photo has been moved since."""
    outcome, photo, record = _outcome(row), row.photo, row.record or {}
    if (photo.latitude, photo.longitude) != (record["latitude"], record["longitude"]):
        return None
    return {
        "photo": str(photo.uuid),
        # the file's own name may tell more than its owner means to
        "title": photo.title or (is_curator(viewer) and photo.original_name) or _("Untitled photo"),
        "url": reverse("photo", args=[photo.uuid]),
        "thumbnail": reverse("photo-image", args=[photo.uuid, "thumbnail"]),
        "truth": [photo.latitude, photo.longitude],
        **{name: value for name, value in outcome.items() if name != "rests_on"},
    }
