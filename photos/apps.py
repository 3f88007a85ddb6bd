"""The collection."""

from __future__ import annotations

from django.apps import AppConfig


class PhotosConfig(AppConfig):
    name = "photos"
    verbose_name = "Collection"

    def ready(self) -> None:
        from photos import receivers

        receivers.connect()
