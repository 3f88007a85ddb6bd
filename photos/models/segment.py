"""The parts of a photo and its local features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from photos.vision import types as vision


class Segment(models.Model):
    """One segment of a photo as one segmenter saw it; `rank` 0 is the best.

    The box is in pixels of the upright image. `mask_counts` is the COCO RLE (compressed, column-major) of
    the mask at `mask_width` x `mask_height`, which may be smaller than the photo.
    """

    photo = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="segments")
    segmenter = models.CharField(max_length=60)
    rank = models.PositiveSmallIntegerField()
    x = models.PositiveIntegerField()
    y = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    area = models.PositiveIntegerField(help_text=_("pixels of the upright image"))
    predicted_iou = models.FloatField(default=1.0)
    stability_score = models.FloatField(default=1.0)
    mask_width = models.PositiveIntegerField()
    mask_height = models.PositiveIntegerField()
    mask_counts = models.TextField()

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["photo", "segmenter", "rank"]
        constraints = [
            models.UniqueConstraint(fields=["photo", "segmenter", "rank"], name="segment_rank_once"),
            models.CheckConstraint(name="segment_not_empty", condition=Q(width__gt=0, height__gt=0, area__gt=0)),
            models.CheckConstraint(name="segment_area_in_box", condition=Q(area__lte=F("width") * F("height"))),
        ]

    def __str__(self) -> str:
        return f"{self.photo_id}/{self.segmenter}/{self.rank}"

    @property
    def box(self) -> vision.Box:
        from photos.vision.types import Box

        return Box(self.x, self.y, self.width, self.height)


class LocalFeatures(models.Model):
    """Keypoints and RootSIFT bytes of a photo, for geometric verification in every space."""

    photo = models.OneToOneField(
        "photos.Photo", on_delete=models.CASCADE, primary_key=True, related_name="local_features"
    )
    count = models.PositiveIntegerField()
    version = models.PositiveSmallIntegerField(default=1)
    data = models.BinaryField()

    class Meta:
        verbose_name = _("local features")
        verbose_name_plural = _("local features")

    def __str__(self) -> str:
        return f"{self.count} features of photo {self.photo_id}"
