"""Addresses under /api/v1/ that search answers."""

from __future__ import annotations

from django.urls import path

from search.api.views import AnswerView, LocateView, SearchView, SimilarPhotosView

urlpatterns = [
    path("locate/", LocateView.as_view(), name="api-locate"),
    path("locate/<uuid:identity>/", AnswerView.as_view(), name="api-answer"),
    path("search/", SearchView.as_view(), name="api-search"),
    path("photos/<uuid:identity>/similar/", SimilarPhotosView.as_view(), name="api-similar"),
]
