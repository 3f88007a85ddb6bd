"""Pages about the site itself."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

KEPT = ("css/geolocator.css", "js/theme.js", "js/offline.js", "images/logo.svg")


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    return render(request, "about.html", {"section": "about"})


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """Show what a browser keeps for when the network is lost."""
    return render(request, "offline.html")


@require_safe
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """Return the script that shows `offline`; it lies at the top, for it may serve only what lies below it."""
    version = hashlib.sha256(" ".join(map(static, KEPT)).encode()).hexdigest()[:12]
    return render(request, "service_worker.js", {"version": version}, content_type="text/javascript; charset=utf-8")
