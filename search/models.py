"""Questions waiting for their answer, and what calibration learned."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from search.evaluation_models import Audience as Audience
from search.evaluation_models import EvaluationReport as EvaluationReport
from search.evaluation_models import EvaluationTrial as EvaluationTrial
from search.evaluation_models import ReportPurpose as ReportPurpose
from search.evaluation_models import ReportState as ReportState
from search.ranking_models import RankingWeights as RankingWeights
from search.ranking_models import SegmentWeight as SegmentWeight
from search.ranking_models import Weighing as Weighing


class RequestState(models.TextChoices):
    PENDING = "pending", _("pending")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class RequestKind(models.TextChoices):
    LOCATE = "locate", _("locate")
    SEARCH = "search", _("search")


def query_image_path(request: SearchRequest, filename: str) -> str:
    return f"queries/{request.uuid}"


def default_expiry() -> datetime:
    return timezone.now() + timedelta(hours=settings.SEARCH_REQUEST_HOURS)


class SearchRequest(models.Model):
    """A visitor's question with its own picture: never indexed, seen only by its asker, purged when expired.

    The asker is `owner`, or the browser session `session_key`, or, for a program without either, whoever
    knows the uuid. `result` holds ids and numbers; what the asker may see is checked again when it is read.
    `first_result` is the same for the whole picture alone, told while the rest is worked out. A refinement names
    its `parent`; whoever knows `share_token` may read the answer; an answer whose picture its owner put into the
    collection, as `saved_photo`, is kept as long as that photo. `error` is told to the asker, `error_detail` to
    curators, who mend what is ours to mend.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=10, choices=RequestKind, default=RequestKind.LOCATE)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    session_key = models.CharField(max_length=40, blank=True, default="")
    image = models.FileField(upload_to=query_image_path, max_length=200)
    original_name = models.CharField(max_length=255, blank=True, default="")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    parameters = models.JSONField(default=dict, blank=True)
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="refinements", verbose_name=_("refines")
    )
    share_token = models.CharField(max_length=43, null=True, blank=True, unique=True)
    saved_photo = models.ForeignKey(
        "photos.Photo", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("saved as")
    )
    state = models.CharField(max_length=10, choices=RequestState, default=RequestState.PENDING)
    stage = models.CharField(max_length=20, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    first_result = models.JSONField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True, default="")
    error_detail = models.TextField(_("error in detail"), blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(default=default_expiry, db_index=True)

    class Meta:
        verbose_name = _("search request")
        verbose_name_plural = _("search requests")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(name="request_state_known", condition=Q(state__in=RequestState.values)),
            models.CheckConstraint(
                name="request_done_has_result",
                condition=~Q(state=RequestState.DONE) | Q(result__isnull=False),
            ),
            models.CheckConstraint(
                name="request_lease_while_running",
                condition=Q(state=RequestState.RUNNING, lease_token__isnull=False)
                | (~Q(state=RequestState.RUNNING) & Q(lease_token__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_expires_at", "id"],
                name="request_unfinished",
                condition=Q(state__in=[RequestState.PENDING, RequestState.RUNNING]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"  # the uuid is a key: whoever knows it may read a visitor's answer


class CalibrationKind(models.TextChoices):
    SAME_PLACE = "same-place", _("probability of the same place")
    RADIUS = "radius", _("radius quantiles")
    TAG_CUT = "tag-cut", _("tag threshold")


class Calibration(models.Model):
    """Parameters fitted on this collection for one space; the newest of a kind counts, the others are its history."""

    space = models.ForeignKey("photos.EmbeddingSpace", on_delete=models.CASCADE, related_name="calibrations")
    kind = models.CharField(max_length=20, choices=CalibrationKind)
    parameters = models.JSONField()
    n = models.PositiveIntegerField(help_text=_("placed photos it was fitted on"))
    fitted_at = models.DateTimeField(auto_now_add=True)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("calibration")
        verbose_name_plural = _("calibrations")
        ordering = ["-fitted_at"]
        indexes = [models.Index(fields=["space", "kind", "-fitted_at"], name="calibration_newest")]

    def __str__(self) -> str:
        return f"{self.kind} for {self.space_id}"
