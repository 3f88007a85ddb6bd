"""What is being done about models right now, for the pages and the health checks of the same machine.

One small file in the data folder: written by whoever fetches weights or fills a space, read by the site, which asks
neither a database nor another process for it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from django.conf import settings
from django.utils.translation import gettext

Stage: TypeAlias = Literal["fetching", "trying", "building", "offline", "failed", "done"]

_NAME: Final = "models-state.json"
_STALE_AFTER_S: Final = 120.0
_UNDER_WAY: Final = ("fetching", "trying", "building")


@dataclass(frozen=True, slots=True)
class ModelNews:
    """How far the switch to `space` is: `done` of `total` bytes of `what`, or photos; times are Unix seconds."""

    stage: Stage
    space: str
    what: str = ""
    done: int = 0
    total: int = 0
    left_s: float = 0.0
    told_at: float = 0.0

    @property
    def percent(self) -> int:
        return int(100 * self.done / self.total) if self.total else 0


def tell(news: ModelNews) -> None:
    """Write it, whole or not at all."""
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    temporary.write_text(json.dumps(asdict(replace(news, told_at=time.time()))) + "\n", encoding="utf-8")
    temporary.replace(path)


def last() -> ModelNews | None:
    """Return the last that was told, however long ago; None where there is nothing, or nothing readable."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return ModelNews(**json.loads(_path().read_text(encoding="utf-8")))
    return None


def current() -> ModelNews | None:
    """Return what is under way, or what stands in its way; None where there is nothing to tell."""
    news = last()
    if news is None or news.stage == "done":
        return None
    if news.stage in _UNDER_WAY and time.time() - news.told_at > _STALE_AFTER_S:
        return None  # whoever told it has ended
    return news


def line() -> str:
    """Return one line for a curator's pages, or nothing."""
    news = current()
    if news is None:
        return ""
    values = {"space": news.space, "what": news.what, "percent": news.percent, "done": news.done, "total": news.total}
    texts = {
        "fetching": gettext("Fetching %(what)s: %(percent)d %%"),
        "trying": gettext("Trying the models of %(space)s"),
        "building": gettext("Describing the photos in %(space)s: %(done)d of %(total)d"),
        "offline": gettext("Without a network the site stays as it is; later: manage.py models activate %(space)s"),
        "failed": gettext("Could not switch to %(space)s: %(what)s"),
    }
    return texts[news.stage] % values


def _path() -> Path:
    return Path(settings.DATA_DIR) / _NAME
