"""Embedding spaces and their vectors.

The two vector tables are LIST-partitioned by space; migration 0001 makes them, `photos.services.spaces`
makes and drops the partitions, and `photos.vectors` alone knows the index expressions. `is_public` says in which of
its space's two graphs a row stands, the public photos' or the private ones' (`photos.services.graphs`).
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField


class SpaceState(models.TextChoices):
    BUILDING = "building", _("building")
    ACTIVE = "active", _("active")
    RETIRED = "retired", _("retired")


class EmbeddingSpace(models.Model):
    """A space that vectors live in: vectors of different spaces never mix.

    `slug` names it, `encoder` and `segmenter` what fills it, `spec` the encoder's full specification at the
    time the space was made. At most one space is active: the one that searches use.

    `vocabulary` is the digest of the words that its photos' tags were last worked out with, `retagged_up_to` the
    id of the photo that this has come to, None once it is done.
    """

    slug = models.SlugField(max_length=100, unique=True)
    encoder = models.CharField(max_length=100)
    segmenter = models.CharField(max_length=100)
    dimensions = models.PositiveSmallIntegerField()
    spec = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=SpaceState, default=SpaceState.BUILDING)
    created_at = models.DateTimeField(auto_now_add=True)
    vocabulary = models.CharField(max_length=64, blank=True, default="", editable=False)
    retagged_up_to = models.BigIntegerField(null=True, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("embedding space")
        verbose_name_plural = _("embedding spaces")
        constraints = [
            models.CheckConstraint(name="space_dimensions_range", condition=Q(dimensions__gte=1, dimensions__lte=4000)),
            models.CheckConstraint(name="space_state_known", condition=Q(state__in=SpaceState.values)),
            models.UniqueConstraint(fields=["state"], name="space_one_active", condition=Q(state=SpaceState.ACTIVE)),
        ]

    def __str__(self) -> str:
        return self.slug


class PhotoEmbedding(models.Model):
    """The vector of a whole photo in one space: unit norm, so inner product is cosine."""

    pk = models.CompositePrimaryKey("space_id", "photo_id")
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.CASCADE, related_name="photo_embeddings")
    photo = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="embeddings")
    is_public = models.BooleanField()
    vector = HalfVectorField()

    class Meta:
        verbose_name = _("photo embedding")
        verbose_name_plural = _("photo embeddings")

    def __str__(self) -> str:
        return f"photo {self.photo_id} in space {self.space_id}"


class SegmentEmbedding(models.Model):
    """The vector of the segment of that rank of a photo, in one space."""

    pk = models.CompositePrimaryKey("space_id", "photo_id", "rank")
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.CASCADE, related_name="segment_embeddings")
    photo = models.ForeignKey("photos.Photo", on_delete=models.CASCADE, related_name="segment_embeddings")
    rank = models.PositiveSmallIntegerField()
    is_public = models.BooleanField()
    vector = HalfVectorField()

    class Meta:
        verbose_name = _("segment embedding")
        verbose_name_plural = _("segment embeddings")

    def __str__(self) -> str:
        return f"segment {self.rank} of photo {self.photo_id} in space {self.space_id}"
