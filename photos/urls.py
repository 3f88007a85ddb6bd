"""Addresses of the collection's pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from photos import pages

urlpatterns: list[URLPattern] = [
    path("photos/", pages.gallery, name="gallery"),
    path("photos/<uuid:identity>/", pages.photo_page, name="photo"),
    path("photos/<uuid:identity>/<str:size>.jpg", pages.photo_image, name="photo-image"),
    path("photos/<uuid:identity>/original", pages.photo_original, name="photo-original"),
]
