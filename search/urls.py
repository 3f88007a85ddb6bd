"""Addresses of the pages that ask and answer."""

from __future__ import annotations

from django.urls import URLPattern, path

from search import pages

urlpatterns: list[URLPattern] = [
    path("", pages.locate, name="locate"),
    path("locate/<uuid:identity>/", pages.locate_result, name="locate-result"),
    path("locate/<uuid:identity>/image.jpg", pages.locate_image, name="locate-image"),
    path("examples/<str:name>", pages.example_image, name="example-image"),
    path("photos/<uuid:identity>/similar/", pages.photo_similar, name="photo-similar"),
]
