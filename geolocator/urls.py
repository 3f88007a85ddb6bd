"""Every address of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from geolocator import health, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/queues/", include("django_rq.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("geolocator.account_urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("about/", pages.about, name="about"),
    path("offline/", pages.offline, name="offline"),
    path("service-worker.js", pages.service_worker, name="service-worker"),
    path("api/", include("geolocator.api_urls")),
    path("", include("photos.urls")),
    path("", include("search.urls")),
]

handler400 = "geolocator.problems.bad_request"
handler500 = "geolocator.problems.server_error"
