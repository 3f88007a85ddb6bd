"""Photos that one space could not describe."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from photos.models.embedding import EmbeddingSpace


class DescriptionGap(models.Model):
    """A photo that is not described in one of the spaces: for good, or until the space's models are there.

    The photo itself is ready: it is described in the other spaces.
    """

    space = models.ForeignKey(EmbeddingSpace, on_delete=models.CASCADE, related_name="gaps")
    photo = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="gaps")
    permanent = models.BooleanField()
    reason = models.TextField(blank=True)
    noted_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("description gap")
        verbose_name_plural = _("description gaps")
        constraints = [models.UniqueConstraint(fields=["photo", "space"], name="gap_once")]
        indexes = [models.Index(fields=["space", "permanent"], name="gap_space_permanent")]

    def __str__(self) -> str:
        return f"photo {self.photo_id} in space {self.space_id}: {self.reason}"
