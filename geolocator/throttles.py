"""How often a visitor may ask: counted in the cache all processes share, in this process while that is away."""

from __future__ import annotations

import ipaddress
import logging
import math
import re
import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import BaseCache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:  # it imports this module in turn, through the settings
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

PERIODS_S = {"s": 1, "sec": 1, "min": 60, "m": 60, "hour": 3600, "h": 3600, "day": 86400, "d": 86400}
_fallback = LocMemCache("throttles", {})


def parse_rate(rate: str) -> tuple[int, int]:
    """Read "60/min" as (60 requests, 60 seconds); raises ImproperlyConfigured."""
    found = re.fullmatch(r"(\d+)/([a-z]+)", rate.strip().lower())
    if not found or found[2] not in PERIODS_S or not int(found[1]):
        raise ImproperlyConfigured(f"a rate is a count and a period, such as 60/min or 500/day; got {rate!r}")
    return int(found[1]), PERIODS_S[found[2]]


class VisitorThrottle(BaseThrottle):
    """At most `LOCATE_RATE` requests by one anonymous address, in each `throttle_scope` that views have.

    Reading is counted too: views have a scope where they cost as much as a question. Fixed windows: one atomic
    increment a request, so that processes never count past each other.
    """

    retry_after_s = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        scope = getattr(view, "throttle_scope", None)
        if scope is None or request.method == "OPTIONS" or request.user.is_authenticated:
            return True
        allowed, period_s = parse_rate(settings.LOCATE_RATE)
        now = time.time()
        window = int(now // period_s)
        self.retry_after_s = math.ceil((window + 1) * period_s - now)
        key = f"throttle:{scope}:{network_of(self.get_ident(request) or '')}:{window}"
        return count(key, period_s) <= allowed

    def wait(self) -> float:
        return self.retry_after_s


def network_of(address: str) -> str:
    """An IPv4 address itself; of IPv6 the /64, since a household has as many addresses as it likes."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((ip, 64), strict=False).network_address)
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def count(key: str, timeout_s: int) -> int:
    try:
        return _increment(caches["default"], key, timeout_s)
    except (RedisError, OSError) as exc:
        logger.warning("counting questions in this process only: %s", exc)
        return _increment(_fallback, key, timeout_s)


def _increment(cache: BaseCache | Any, key: str, timeout_s: int) -> int:
    cache.add(key, 0, timeout_s)
    try:
        return int(cache.incr(key))
    except ValueError:  # it expired in between: a new window
        return 1
