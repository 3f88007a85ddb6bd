"""Places that people follow."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PlaceFollow(models.Model):
    """A user's wish to hear of new photos of a place; what was added after `seen_at` is new."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="place_follows")
    tag = models.ForeignKey("photos.Tag", on_delete=models.CASCADE, related_name="follows")
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    seen_at = models.DateTimeField(_("seen at"), default=timezone.now)

    class Meta:
        verbose_name = _("followed place")
        verbose_name_plural = _("followed places")
        ordering = ["tag__name"]
        constraints = [models.UniqueConstraint(fields=["user", "tag"], name="place_followed_once")]

    def __str__(self) -> str:
        return f"{self.user_id} follows {self.tag_id}"
