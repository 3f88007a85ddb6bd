"""The collection."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.conf import settings

if TYPE_CHECKING:
    from photos.vision.configuration import Configuration


class PhotosConfig(AppConfig):
    name = "photos"
    verbose_name = "Collection"

    def ready(self) -> None:
        from photos import receivers
        from photos.services import graphs, indexing, places, trash, vocabulary
        from photos.vision import configuration

        receivers.connect()
        indexing.register_reconciler("graphs", graphs.requeue)
        indexing.register_reconciler("places", places.requeue)
        indexing.register_reconciler("vocabularies", vocabulary.requeue)
        indexing.register_reconciler("emptied from the trash", trash.empty_old)
        configuration.use(vision_configuration)


def vision_configuration() -> Configuration:
    """Return what the settings say of vision, as they are now."""
    from photos.vision.configuration import Configuration, read_configuration

    names = [field.name.upper() for field in fields(Configuration)]
    return read_configuration({name: getattr(settings, name) for name in names})
