"""PostgreSQL and Redis that the project starts itself when it is given no address of others."""

from __future__ import annotations

from .errors import EmbeddedServerError
from .servers import Servers, ensure_servers

__all__ = ["EmbeddedServerError", "Servers", "ensure_servers"]
