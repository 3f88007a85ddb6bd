"""The collection's administration."""

from __future__ import annotations

from django.contrib import admin

from photos.admin.duplicate import NearDuplicateAdmin
from photos.admin.photo import PhotoAdmin
from photos.admin.proposal import LocationProposalAdmin
from photos.admin.space import EmbeddingSpaceAdmin
from photos.admin.tag import TagAdmin
from photos.admin.trash import TrashedPhotoAdmin

__all__ = [
    "EmbeddingSpaceAdmin",
    "LocationProposalAdmin",
    "NearDuplicateAdmin",
    "PhotoAdmin",
    "TagAdmin",
    "TrashedPhotoAdmin",
]

admin.site.site_header = admin.site.site_title = "Geolocator"
admin.site.index_title = "Administration"
admin.site.enable_nav_sidebar = False  # the lists need the width
