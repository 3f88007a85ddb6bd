"""Questions asked of the collection."""

from __future__ import annotations

from django.apps import AppConfig


class SearchConfig(AppConfig):
    name = "search"
    verbose_name = "Search"

    def ready(self) -> None:
        from photos.services.indexing import register_follow_up, register_reconciler
        from search import weighing
        from search.evaluation.background import requeue
        from search.requests import requeue_lost

        register_reconciler("requests", requeue_lost)
        register_reconciler("evaluations", requeue)
        register_reconciler("weighings", weighing.requeue)
        register_follow_up("weighing its segments", weighing.weigh_photo)
