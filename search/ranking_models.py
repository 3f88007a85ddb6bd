"""What the parts of a score weigh: of a photo by the staff's choice, of a segment by the map."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class RankingWeights(models.Model):
    """What the whole photo, its segments and its tags weigh in the scores of a space, as somebody set it.

    The newest row of a space counts; the older ones are its history. Only their ratio matters.
    """

    space = models.ForeignKey("photos.EmbeddingSpace", on_delete=models.CASCADE, related_name="ranking_weights")
    whole = models.FloatField(_("whole photo"), help_text=_("0 to 1; only the ratio of the three matters"))
    segments = models.FloatField(_("segments"), help_text=_("0 to 1"))
    tags = models.FloatField(_("tags"), default=0.1, help_text=_("0 to 1; counts where the question has tags"))
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    set_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("ranking weights")
        verbose_name_plural = _("ranking weights")
        ordering = ["-set_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="ranking_weights_range",
                condition=Q(whole__gte=0, whole__lte=1, segments__gte=0, segments__lte=1, tags__gte=0, tags__lte=1),
                violation_error_message=_("Each weight must be between 0 and 1."),
            ),
            models.CheckConstraint(
                name="ranking_weights_whole_counts",  # a photo without segments, or a question, has nothing else
                condition=Q(whole__gt=0),
                violation_error_message=_("The whole photo must weigh something: not every question has segments."),
            ),
        ]
        indexes = [models.Index(F("space"), F("set_at").desc(), F("id").desc(), name="ranking_weights_newest")]

    def __str__(self) -> str:
        return f"{self.whole:g} whole, {self.segments:g} segments, {self.tags:g} tags"


class SegmentWeight(models.Model):
    """How distinctive for its place a stored segment is, in 0..1; a segment without a row is neutral.

    Apart from the vectors, since rewriting a row there costs an entry in their HNSW index.
    """

    pk = models.CompositePrimaryKey("space_id", "photo_id", "rank")
    space = models.ForeignKey("photos.EmbeddingSpace", on_delete=models.CASCADE, related_name="+")
    photo = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="+")
    rank = models.PositiveSmallIntegerField()
    weight = models.FloatField()

    class Meta:
        verbose_name = _("segment weight")
        verbose_name_plural = _("segment weights")

    def __str__(self) -> str:
        return f"segment {self.rank} of photo {self.photo_id} in space {self.space_id}: {self.weight:.2f}"


class Weighing(models.Model):
    """How far the round that weighs a space's segments has come: `reached` is a photo's id, None at the end."""

    space = models.OneToOneField(
        "photos.EmbeddingSpace", primary_key=True, on_delete=models.CASCADE, related_name="weighing"
    )
    reached = models.BigIntegerField(null=True)
    began_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("weighing")
        verbose_name_plural = _("weighings")

    def __str__(self) -> str:
        return f"weighing of space {self.space_id}"
