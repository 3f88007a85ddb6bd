"""Pairs of photos that are nearly one: they err together, and a curator may want only one of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class DuplicateKind(models.TextChoices):
    SAME_BYTES = "same-bytes", _("the same file")
    SAME_PICTURE = "same-picture", _("the same picture: re-encoded, resized or cropped")
    BURST = "burst", _("one burst")


class NearDuplicate(models.Model):
    """An unordered pair, kept with the lower id first; a dismissed one is not a duplicate, and stays so."""

    photo_a = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="+")
    photo_b = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(_("kind"), max_length=12, choices=DuplicateKind)
    similarity = models.FloatField(_("similarity"), null=True, help_text=_("cosine of the whole photos' vectors"))
    found_at = models.DateTimeField(_("found at"), auto_now_add=True)
    dismissed_at = models.DateTimeField(_("dismissed at"), null=True, blank=True)
    dismissed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("near-duplicate")
        verbose_name_plural = _("near-duplicates")
        ordering = ["-found_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["photo_a", "photo_b"], name="duplicate_pair_once"),
            models.CheckConstraint(name="duplicate_pair_ordered", condition=Q(photo_a__lt=F("photo_b"))),
            models.CheckConstraint(name="duplicate_kind_known", condition=Q(kind__in=DuplicateKind.values)),
        ]

    def __str__(self) -> str:
        return f"{self.photo_a_id} and {self.photo_b_id}: {self.kind}"
