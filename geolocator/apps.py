from __future__ import annotations

from django.apps import AppConfig


class GeolocatorConfig(AppConfig):
    """The project itself as an app: it owns the `up` command."""

    name = "geolocator"
    verbose_name = "Geolocator"
