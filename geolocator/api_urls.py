"""The API under /api/v1/ and its description."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from geolocator.api_reference import api_reference
from geolocator.problems import api_not_found

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include("photos.api.urls")),
    path("v1/", include("search.api.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", api_reference, name="api-docs"),
    re_path(r"^(?P<unknown>.*)$", api_not_found),
]
