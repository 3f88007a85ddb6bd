"""Addresses of the pages that ask and answer."""

from __future__ import annotations

from django.urls import URLPattern, path

from search import answer_pages, calibration_pages, contribution_pages, pages, report_pages

urlpatterns: list[URLPattern] = [
    path("", pages.locate, name="locate"),
    path("locate/<uuid:identity>/", answer_pages.locate_result, name="locate-result"),
    path("locate/<uuid:identity>/image.jpg", answer_pages.locate_image, name="locate-image"),
    path("locate/<uuid:identity>/refine/", answer_pages.locate_refine, name="locate-refine"),
    path("locate/<uuid:identity>/share/", answer_pages.locate_share, name="locate-share"),
    path("locate/<uuid:identity>/save/", contribution_pages.locate_save, name="locate-save"),
    path("locate/<uuid:identity>/suggest/", contribution_pages.locate_suggest, name="locate-suggest"),
    path("locate/<uuid:identity>/take-back/", contribution_pages.locate_take_back, name="locate-take-back"),
    path("shared/<str:token>/", answer_pages.shared_answer, name="shared-answer"),
    path("shared/<str:token>/image.jpg", answer_pages.shared_image, name="shared-image"),
    path("examples/<str:name>", pages.example_image, name="example-image"),
    path("accuracy/", report_pages.accuracy_page, name="accuracy"),
    path("accuracy/measure/", report_pages.accuracy_measure, name="accuracy-measure"),
    path("accuracy/progress/", report_pages.accuracy_progress, name="accuracy-progress"),
    path("accuracy/stop/", report_pages.accuracy_stop, name="accuracy-stop"),
    path("accuracy/calibration/", calibration_pages.calibration_start, name="calibration-start"),
    path("accuracy/calibration/decide/", calibration_pages.calibration_decide, name="calibration-decide"),
    path("accuracy/calibration/take-back/", calibration_pages.calibration_take_back, name="calibration-take-back"),
    path("accuracy/report.json", report_pages.accuracy_json, name="accuracy-json"),
    path("photos/<uuid:identity>/similar/", pages.photo_similar, name="photo-similar"),
]
