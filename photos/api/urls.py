"""Addresses under /api/v1/ that the collection answers."""

from __future__ import annotations

from django.urls import path

from photos.api.views import PhotoListView, PhotoView, StatisticsView

urlpatterns = [
    path("photos/", PhotoListView.as_view(), name="api-photos"),
    path("photos/<uuid:identity>/", PhotoView.as_view(), name="api-photo"),
    path("statistics/", StatisticsView.as_view(), name="api-statistics"),
]
