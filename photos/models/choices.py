"""The words that a photo's fields choose from."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class PhotoState(models.TextChoices):
    PENDING = "pending", _("pending")
    INDEXING = "indexing", _("indexing")
    READY = "ready", _("ready")
    FAILED = "failed", _("failed")
    QUARANTINED = "quarantined", _("quarantined")


class LocationSource(models.TextChoices):
    EXIF = "exif", _("EXIF")
    MANUAL = "manual", _("set by hand")
    IMPORT = "import", _("import")
    ACCEPTED_ESTIMATE = "accepted-estimate", _("accepted estimate")


class Visibility(models.TextChoices):
    PUBLIC = "public", _("public")
    PRIVATE = "private", _("private")


class LocationVisibility(models.TextChoices):
    EXACT = "exact", _("exact")
    APPROXIMATE = "approximate", _("approximate (about 1 km)")
    HIDDEN = "hidden", _("hidden")
