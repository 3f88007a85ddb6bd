"""Places proposed for photos, waiting for a person's decision."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ProposalSource(models.TextChoices):
    VISUAL = "visual", _("visual search")
    VISITOR = "visitor", _("visitor")


class ProposalState(models.TextChoices):
    OPEN = "open", _("open")
    ACCEPTED = "accepted", _("accepted")
    REJECTED = "rejected", _("rejected")
    WITHDRAWN = "withdrawn", _("withdrawn")


class LocationProposal(models.Model):
    """A point with its radius and why; only an accepted one moves the photo, and says who decided."""

    photo = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="proposals")
    latitude = models.FloatField()
    longitude = models.FloatField()
    radius_m = models.FloatField()
    probability = models.FloatField(null=True, blank=True)
    evidence = models.JSONField(default=dict, blank=True)
    note = models.TextField(blank=True, default="")
    source = models.CharField(max_length=10, choices=ProposalSource)
    state = models.CharField(max_length=10, choices=ProposalState, default=ProposalState.OPEN)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("location proposal")
        verbose_name_plural = _("location proposals")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="proposal_point_range",
                condition=Q(latitude__gte=-90, latitude__lte=90, longitude__gte=-180, longitude__lte=180),
            ),
            models.CheckConstraint(name="proposal_radius_range", condition=Q(radius_m__gt=0, radius_m__lt=2.1e7)),
            models.CheckConstraint(
                name="proposal_probability_range",
                condition=Q(probability__isnull=True) | Q(probability__gte=0, probability__lte=1),
            ),
            models.CheckConstraint(
                name="proposal_decision_whole",
                condition=Q(state=ProposalState.OPEN, decided_at__isnull=True)
                | (~Q(state=ProposalState.OPEN) & Q(decided_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.latitude:.5f}, {self.longitude:.5f} for {self.photo_id}"
