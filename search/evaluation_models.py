"""What measuring the collection by itself found: a report, and what each of its photos was told."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ReportState(models.TextChoices):
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class Audience(models.TextChoices):
    """Whose view of the collection answers."""

    EVERYONE = "everyone", _("everyone: public photos at public places")
    CURATORS = "curators", _("curators: every photo")


class ReportPurpose(models.TextChoices):
    ACCURACY = "accuracy", _("accuracy")
    CALIBRATION = "calibration", _("calibration")


class EvaluationReport(models.Model):
    """One run of asking photos with known places where they were taken, themselves left out.

    `settings` says what it ran with, `results` what all trials amount to: numbers only, of no single photo. `fit` is
    what a calibration learned of them, until somebody decides on it.
    """

    space = models.ForeignKey("photos.EmbeddingSpace", on_delete=models.CASCADE, related_name="evaluation_reports")
    purpose = models.CharField(_("purpose"), max_length=12, choices=ReportPurpose, default=ReportPurpose.ACCURACY)
    audience = models.CharField(_("audience"), max_length=10, choices=Audience, default=Audience.CURATORS)
    state = models.CharField(_("state"), max_length=10, choices=ReportState, default=ReportState.RUNNING)
    settings = models.JSONField(_("settings"), default=dict)
    code_version = models.CharField(_("code version"), max_length=60, blank=True, default="")
    results = models.JSONField(_("results"), null=True, blank=True)
    fit = models.JSONField(_("fit"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True, default="")
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("evaluation report")
        verbose_name_plural = _("evaluation reports")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(name="report_state_known", condition=Q(state__in=ReportState.values)),
            models.CheckConstraint(
                name="report_done_has_results", condition=~Q(state=ReportState.DONE) | Q(results__isnull=False)
            ),
        ]
        indexes = [models.Index(fields=["space", "purpose", "-created_at"], name="report_newest")]

    def __str__(self) -> str:
        return f"{self.purpose} of {self.space_id}, {self.created_at:%Y-%m-%d %H:%M}"


class EvaluationTrial(models.Model):
    """One photo of a report: `record` holds its trial, None while it waits; it goes with the photo."""

    report = models.ForeignKey(EvaluationReport, on_delete=models.CASCADE, related_name="trials")
    photo = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="+")
    is_absent = models.BooleanField(default=False, help_text=_("asked with its whole place left out"))
    record = models.JSONField(null=True)

    class Meta:
        verbose_name = _("evaluation trial")
        verbose_name_plural = _("evaluation trials")
        constraints = [models.UniqueConstraint(fields=["report", "photo", "is_absent"], name="trial_once")]
        indexes = [
            models.Index(fields=["report", "id"], name="trial_waiting", condition=Q(record__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"photo {self.photo_id} in report {self.report_id}"
