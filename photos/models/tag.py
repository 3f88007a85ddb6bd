"""Words for what a picture shows and where it is."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class TagSource(models.TextChoices):
    MANUAL = "manual", _("set by hand")
    AUTOMATIC = "automatic", _("automatic")


class Tag(models.Model):
    """A tag; `external_id` is for instance a Wikidata QID, `is_place` marks the name of a place.

    A model looks for the tags that are `in_vocabulary`, by their `prompt`, else by their name.
    """

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(max_length=100, unique=True, allow_unicode=True)
    category = models.CharField(_("category"), max_length=50, blank=True, default="")
    external_id = models.CharField(_("external id"), max_length=50, blank=True, default="")
    is_place = models.BooleanField(_("is a place"), default=False)
    in_vocabulary = models.BooleanField(
        _("in the vocabulary"), default=False, help_text=_("models look for it in photos and their segments")
    )
    prompt = models.CharField(
        _("prompt"),
        max_length=200,
        blank=True,
        default="",
        help_text=_('what a model looks for, as it stands after "a photo of"; empty: the name with its article'),
    )

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(name="tag_name_not_empty", condition=~Q(name="") & ~Q(slug="")),
            models.CheckConstraint(
                name="tag_place_not_in_vocabulary",
                condition=~Q(is_place=True, in_vocabulary=True),
                violation_error_message=_("The name of a place cannot be in the vocabulary."),
            ),
            models.UniqueConstraint(fields=["external_id"], name="tag_external_id_once", condition=~Q(external_id="")),
        ]

    def __str__(self) -> str:
        return self.name


class ScoredTag(models.Model):
    """A tag given by a person (score 1) or by a model (its score in 0..1)."""

    score = models.FloatField(default=1.0)
    source = models.CharField(max_length=10, choices=TagSource, default=TagSource.MANUAL)

    class Meta:
        abstract = True


class PhotoTag(ScoredTag):
    photo = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="photo_tags")
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="photo_tags")

    class Meta:
        verbose_name = _("tag of a photo")
        verbose_name_plural = _("tags of photos")
        constraints = [
            models.UniqueConstraint(fields=["photo", "tag"], name="photo_tag_once"),
            models.CheckConstraint(name="photo_tag_score_range", condition=Q(score__gte=0, score__lte=1)),
        ]

    def __str__(self) -> str:
        return str(self.tag)


class SegmentTag(ScoredTag):
    segment = models.ForeignKey("photos.Segment", on_delete=models.CASCADE, related_name="segment_tags")
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="segment_tags")

    class Meta:
        verbose_name = _("tag of a segment")
        verbose_name_plural = _("tags of segments")
        constraints = [
            models.UniqueConstraint(fields=["segment", "tag"], name="segment_tag_once"),
            models.CheckConstraint(name="segment_tag_score_range", condition=Q(score__gte=0, score__lte=1)),
        ]

    def __str__(self) -> str:
        return str(self.tag)
