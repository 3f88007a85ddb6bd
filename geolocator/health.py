"""Two questions of a load balancer: is the process alive, and may it get visitors?"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from photos.models import DescriptionGap, EmbeddingSpace
from photos.models.embedding import SpaceState
from photos.services import model_news

_LEAST_FREE_BYTES = 256 * 1024 * 1024
_LIMIT_S = 1.5
_ASKING = ThreadPoolExecutor(max_workers=4, thread_name_prefix="readyz")
"""The questions run aside, so that a server that does not even refuse cannot hold up the answer."""

Check = dict[str, Any]


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nothing of anybody else; says what is being done about models, where it is."""
    news = model_news.current()
    told = {"models": {"stage": news.stage, "space": news.space, "percent": news.percent}} if news else {}
    return JsonResponse({"status": "ok", **told})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 where uploads and searches work, 503 where they do not, with the state of each part.

    Without Redis the site still works: uploads are kept and indexed later. That is "degraded", and ready.
    """
    questions = {"database": check_database, "redis": check_redis, "disk": check_disk}
    waiting = {name: _ASKING.submit(ask) for name, ask in questions.items()}
    checks: dict[str, Check] = {}
    for name, answer in waiting.items():
        try:
            checks |= answer.result(_LIMIT_S)
        except TimeoutError:
            checks[name] = {"ok": False, "error": f"no answer within {_LIMIT_S:g} s"}
    ready = all(check["ok"] for name, check in checks.items() if name != "redis")
    status = "unavailable" if not ready else "ok" if checks["redis"]["ok"] else "degraded"
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


def check_database() -> dict[str, Check]:
    """The database, and what must be in it, on a connection of this thread's own.

    Only the kind of an error is told: a driver's message may hold addresses and names.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return {"database": {"ok": True}, "migrations": _check_migrations(), "space": _check_space()}
    except DatabaseError as exc:
        return {"database": {"ok": False, "error": type(exc).__name__}}
    finally:
        connection.close()


def check_redis() -> dict[str, Check]:
    """The doorbell of the queues."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=_LIMIT_S, socket_connect_timeout=_LIMIT_S) as bell:
            bell.ping()
        return {"redis": {"ok": True}}
    except redis.RedisError as exc:
        return {"redis": {"ok": False, "error": type(exc).__name__}}


def check_disk() -> dict[str, Check]:
    """Room for more pictures."""
    folder = settings.DATA_DIR if settings.DATA_DIR.exists() else settings.BASE_DIR
    free = shutil.disk_usage(folder).free
    return {"disk": {"ok": free >= _LEAST_FREE_BYTES, "free_bytes": free}}


def _check_migrations() -> Check:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    return {"ok": not missing, "unapplied": missing}


def _check_space() -> Check:
    slug = EmbeddingSpace.objects.filter(state=SpaceState.ACTIVE).values_list("slug", flat=True).first()
    waiting = DescriptionGap.objects.filter(permanent=False).values_list("space__slug").annotate(Count("id"))
    return {"ok": slug is not None, "active": slug} | ({"waiting": dict(waiting)} if waiting else {})
