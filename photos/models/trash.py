"""Photos that a curator deleted, while they can still be put back."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class TrashedPhoto(models.Model):
    """What people said of a deleted photo; its file stays until this goes, and nobody finds or sees it.

    `facts` are the photo's own columns by name, as texts or null; `tags` those that people gave it.
    """

    uuid = models.UUIDField(unique=True, editable=False)
    image = models.CharField(max_length=200, editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    name = models.CharField(_("photo"), max_length=255)
    facts = models.JSONField()
    tags = models.JSONField(default=list)
    deleted_at = models.DateTimeField(_("deleted at"), default=timezone.now, db_index=True)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("deleted by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    class Meta:
        verbose_name = _("photo in the trash")
        verbose_name_plural = _("photos in the trash")
        ordering = ["-deleted_at", "-id"]

    def __str__(self) -> str:
        return self.name
