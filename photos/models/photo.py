"""A photo with its place, who may see it, and how far its indexing has come."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import ClassVar, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import Case, Value, When
from django.db.models.functions import Floor
from django.utils.translation import gettext_lazy as _

from photos.errors import DuplicatePhotoError
from photos.fields import PictureField
from photos.intake import PictureFacts, read_facts
from photos.models.choices import LocationSource, LocationVisibility, PhotoState, Visibility
from photos.querysets import PhotoQuerySet
from photos.vision.errors import ImageRefused

GRID_DEGREES = 0.01

INDEX_FIELDS: Final = frozenset(
    {"state", "stage", "attempts", "lease_token", "lease_expires_at", "index_error", "indexed_at"}
)
"""Owned by `photos.services.indexing`: a plain save of a photo read earlier must not undo a worker's steps."""

_PLACE_FIELDS: Final = frozenset({"tagged_latitude", "tagged_longitude"})
"""Owned by `photos.services.places` in the same way."""

_COPY_FIELDS: Final = frozenset({"blur"})
"""Owned by `photos.derivatives`."""

_GRAPH_FIELDS: Final = frozenset({"graph_visibility"})
"""Owned by `photos.vectors` and `photos.services.graphs`."""

COMPUTED_FIELDS: Final = INDEX_FIELDS | _PLACE_FIELDS | _COPY_FIELDS | _GRAPH_FIELDS
"""What nobody says of a photo: it is worked out, and can be again."""


def image_path(photo: Photo, filename: str) -> str:
    """Store by uuid, never by the name a stranger chose; the suffix follows the content's format."""
    suffix = PurePosixPath(filename).suffix.lower()[:6]
    return f"photos/{photo.uuid.hex[:2]}/{photo.uuid}{suffix}"


def public_coordinate(name: str, limit: int) -> Case:
    """The coordinate that anyone may know: exact, the middle of its grid cell, or none.

    A deterministic cell, never jitter: averaging many answers must not reveal the point.
    """
    # the middle of the last cell must stay in range: 90.0 would land at 90.005
    cell = models.functions.Least(
        (Floor(F(name) / Value(GRID_DEGREES)) + Value(0.5)) * Value(GRID_DEGREES),
        Value(limit - GRID_DEGREES / 2),
        output_field=models.FloatField(),
    )
    return Case(
        When(location_visibility=LocationVisibility.EXACT, then=F(name)),
        When(location_visibility=LocationVisibility.APPROXIMATE, then=cell),
        default=None,
        output_field=models.FloatField(),
    )


def place_untagged() -> Q:
    """The condition of photos whose place tags are not those of the public point."""
    differs = Q(public_latitude__lt=F("tagged_latitude")) | Q(public_latitude__gt=F("tagged_latitude"))
    differs |= Q(public_longitude__lt=F("tagged_longitude")) | Q(public_longitude__gt=F("tagged_longitude"))
    missing = Q(public_latitude__isnull=False, tagged_latitude__isnull=True)
    return missing | Q(public_latitude__isnull=True, tagged_latitude__isnull=False) | differs


def in_wrong_graph() -> Q:
    """The condition of photos whose vectors stand in the indexes of those that they do not belong to any more."""
    return ~Q(graph_visibility="") & ~Q(graph_visibility=F("visibility"))


class Photo(models.Model):
    """A picture of the collection; latitude and longitude in degrees WGS 84."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    image = PictureField(_("picture"), upload_to=image_path, max_length=200)
    sha256 = models.CharField(max_length=64, editable=False, db_index=True)
    original_name = models.CharField(_("original name"), max_length=255, blank=True)
    width = models.PositiveIntegerField(editable=False, help_text=_("pixels of the upright image"))
    height = models.PositiveIntegerField(editable=False, help_text=_("pixels of the upright image"))

    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    location_source = models.CharField(
        _("location source"), max_length=20, choices=LocationSource, blank=True, default=""
    )
    location_accuracy_m = models.FloatField(_("location accuracy (m)"), null=True, blank=True)
    bearing_deg = models.FloatField(_("bearing (degrees)"), null=True, blank=True)
    taken_at = models.DateTimeField(_("taken at"), null=True, blank=True)

    title = models.CharField(_("title"), max_length=200, blank=True)
    description = models.TextField(_("description"), blank=True)
    credit = models.CharField(_("credit"), max_length=200, blank=True)
    license = models.CharField(_("licence"), max_length=100, blank=True)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="photos",
    )
    visibility = models.CharField(_("visibility"), max_length=10, choices=Visibility, default=Visibility.PUBLIC)
    location_visibility = models.CharField(
        _("location visibility"), max_length=12, choices=LocationVisibility, default=LocationVisibility.EXACT
    )
    public_latitude = models.GeneratedField(
        expression=public_coordinate("latitude", 90),
        output_field=models.FloatField(null=True),
        db_persist=True,
    )
    public_longitude = models.GeneratedField(
        expression=public_coordinate("longitude", 180),
        output_field=models.FloatField(null=True),
        db_persist=True,
    )

    tagged_latitude = models.FloatField(null=True, editable=False, help_text=_("the public point of its place tags"))
    tagged_longitude = models.FloatField(null=True, editable=False)

    blur = models.CharField(max_length=400, blank=True, default="", editable=False)

    graph_visibility = models.CharField(max_length=10, blank=True, default="", editable=False)

    state = models.CharField(_("state"), max_length=12, choices=PhotoState, default=PhotoState.PENDING, editable=False)
    stage = models.CharField(max_length=20, blank=True, default="", editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    index_error = models.TextField(blank=True, default="", editable=False)
    indexed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    tags = models.ManyToManyField("photos.Tag", through="photos.PhotoTag", related_name="photos", blank=True)

    objects: ClassVar[models.Manager[Photo]] = PhotoQuerySet.as_manager()

    class Meta:
        verbose_name = _("photo")
        verbose_name_plural = _("photos")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="photo_point_whole",
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                | Q(latitude__isnull=False, longitude__isnull=False),
                violation_error_message=_("Give both latitude and longitude, or neither."),
            ),
            models.CheckConstraint(
                name="photo_latitude_range",
                condition=Q(latitude__isnull=True) | Q(latitude__gte=-90, latitude__lte=90),
                violation_error_message=_("Latitude must be between -90 and 90 degrees."),
            ),
            models.CheckConstraint(
                name="photo_longitude_range",
                condition=Q(longitude__isnull=True) | Q(longitude__gte=-180, longitude__lte=180),
                violation_error_message=_("Longitude must be between -180 and 180 degrees."),
            ),
            models.CheckConstraint(
                name="photo_accuracy_positive",
                condition=Q(location_accuracy_m__isnull=True)
                | Q(location_accuracy_m__gte=0, location_accuracy_m__lt=2.1e7),
                violation_error_message=_("The accuracy must be 0 metres or more."),
            ),
            models.CheckConstraint(
                name="photo_bearing_range",
                condition=Q(bearing_deg__isnull=True) | Q(bearing_deg__gte=0, bearing_deg__lt=360),
                violation_error_message=_("The bearing must be at least 0 and less than 360 degrees."),
            ),
            models.CheckConstraint(
                name="photo_located_has_source",
                condition=Q(latitude__isnull=True, location_source="")
                | (Q(latitude__isnull=False) & Q(location_source__in=LocationSource.values)),
                violation_error_message=_("A located photo needs a location source, and only a located one."),
            ),
            models.CheckConstraint(name="photo_state_known", condition=Q(state__in=PhotoState.values)),
            models.CheckConstraint(name="photo_visibility_known", condition=Q(visibility__in=Visibility.values)),
            models.CheckConstraint(
                name="photo_location_visibility_known",
                condition=Q(location_visibility__in=LocationVisibility.values),
            ),
            models.CheckConstraint(
                name="photo_lease_while_indexing",
                condition=Q(state=PhotoState.INDEXING, lease_token__isnull=False, lease_expires_at__isnull=False)
                | (~Q(state=PhotoState.INDEXING) & Q(lease_token__isnull=True, lease_expires_at__isnull=True)),
            ),
            # the same bytes once per owner; across owners a refusal would tell of private photos
            models.UniqueConstraint(
                fields=["owner", "sha256"],
                name="photo_bytes_once_per_owner",
                nulls_distinct=False,
                violation_error_message=_("This very file is already in the collection."),
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="photo_newest"),
            models.Index(fields=["taken_at"], name="photo_taken"),
            models.Index(fields=["owner", "-created_at"], name="photo_owner"),
            models.Index(
                fields=["lease_expires_at", "id"],
                name="photo_unfinished",
                condition=Q(state__in=[PhotoState.PENDING, PhotoState.INDEXING]),
            ),
            models.Index(fields=["id"], name="photo_place_untagged", condition=place_untagged()),
            models.Index(fields=["id"], name="photo_in_wrong_graph", condition=in_wrong_graph()),
            # what a map counts, read from the index alone
            models.Index(
                fields=["public_latitude", "public_longitude"],
                include=["id", "owner"],
                name="photo_map_public",
                condition=Q(visibility=Visibility.PUBLIC, public_latitude__isnull=False),
            ),
            models.Index(
                fields=["latitude", "longitude"],
                include=["id", "owner"],
                name="photo_map_exact",
                condition=Q(latitude__isnull=False),
            ),
            # the GiST index on the public point stands in a migration: Django has no point type without GEOS
        ]

    def __str__(self) -> str:
        return self.title or self.original_name or str(self.uuid)

    def save(
        self,
        *,
        force_insert: bool | tuple[models.base.ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save; a new picture brings its digest, size and EXIF, and starts indexing anew.

        The index state is written only where it is named in `update_fields`, or with a new picture. Raises
        `ImageRefused` and `DuplicatePhotoError`.
        """
        taken = self._take_new_picture()
        settled = self._settle_location_source()
        names = self._names_to_save(update_fields, taken | settled, force_insert=bool(force_insert))
        super().save(force_insert=force_insert, force_update=force_update, using=using, update_fields=names)

    def get_absolute_url(self) -> str:
        from django.urls import reverse

        return reverse("photo", args=[self.uuid])

    def clean(self) -> None:
        """Read a new picture's facts, so that forms show what is wrong with it."""
        super().clean()
        try:
            self._take_new_picture()
        except ImageRefused as exc:
            raise ValidationError({"image": str(exc)}) from exc
        except DuplicatePhotoError as exc:
            raise ValidationError({"image": str(exc)}) from exc
        self._settle_location_source()

    @property
    def has_location(self) -> bool:
        return self.latitude is not None

    def _names_to_save(
        self, update_fields: Iterable[str] | None, changed: set[str], *, force_insert: bool
    ) -> set[str] | None:
        if update_fields is not None:
            return {*update_fields, *changed} if update_fields else set()
        if self._state.adding or force_insert:
            return None
        deferred = self.get_deferred_fields()
        return {
            field.name
            for field in self._meta.concrete_fields
            if not (field.primary_key or field.generated or field.attname in deferred)
            and (field.name not in COMPUTED_FIELDS or field.name in changed)
        }

    def _take_new_picture(self) -> set[str]:
        """Fill in what a picture that is not stored yet says of itself; returns the names of those fields."""
        if not self.image or getattr(self.image, "_committed", True):
            return set()
        facts = read_facts(self.image.file)
        self._refuse_duplicate(facts.sha256)
        self.original_name = self.original_name or PurePosixPath(str(self.image.name)).name[:255].replace("\0", "")
        self.image.name = f"picture{facts.info.format.extension}"
        self.sha256, self.width, self.height = facts.sha256, facts.info.width, facts.info.height
        return {"image", "original_name", "sha256", "width", "height"} | self._take_exif(facts) | self._start_anew()

    def _take_exif(self, facts: PictureFacts) -> set[str]:
        """Let EXIF fill what nobody said; a place that came from the former picture's EXIF goes with it."""
        exif = facts.exif
        if self.latitude is None or self.location_source == LocationSource.EXIF:
            said = self.location_accuracy_m if self.latitude is None and exif.latitude is not None else None
            self.latitude, self.longitude = exif.latitude, exif.longitude
            self.location_accuracy_m = exif.accuracy_m if said is None else said
            self.location_source = "" if exif.latitude is None else LocationSource.EXIF
        self.bearing_deg = exif.bearing_deg if self.bearing_deg is None else self.bearing_deg
        self.taken_at = self.taken_at or exif.taken_at
        self.title = self.title or exif.title[:200]
        self.description = self.description or exif.description[:5000]
        self.credit = self.credit or (exif.credit or exif.copyright)[:200]
        place = {"latitude", "longitude", "location_accuracy_m", "location_source", "bearing_deg"}
        return place | {"taken_at", "title", "description", "credit"}

    def _start_anew(self) -> set[str]:
        self.state, self.stage, self.attempts = PhotoState.PENDING, "", 0
        self.lease_token = self.lease_expires_at = self.indexed_at = None
        self.index_error = self.blur = ""
        return set(INDEX_FIELDS | _COPY_FIELDS)

    def _refuse_duplicate(self, sha256: str) -> None:
        same = Photo.objects.filter(owner=self.owner_id, sha256=sha256).exclude(pk=self.pk).first()
        if same is not None:
            raise DuplicatePhotoError(same)

    def _settle_location_source(self) -> set[str]:
        """A place typed in without a source was set by hand; without a place there is no source."""
        if self.latitude is None and self.location_source:
            self.location_source = ""
        elif self.latitude is not None and not self.location_source:
            self.location_source = LocationSource.MANUAL
        else:
            return set()
        return {"location_source"}
