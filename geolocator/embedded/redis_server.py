"""Redis on a unix socket, its append-only log in `DATA_DIR/redis`."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from .accounts import own_account, postgres_account
from .binaries import redis_server
from .errors import EmbeddedServerError
from .paths import redis_socket, resolved, socket_dir
from .probes import ask, redis_answers
from .server import make_private_folder

_LEFTOVER_GRACE_S = 10.0


class RedisServer:
    """The queue's server of one data folder. It is a doorbell: what it forgets, PostgreSQL still knows."""

    name = "redis"
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGKILL)

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = resolved(data_dir)
        self.account = own_account()
        self.folder = self.data_dir / "redis"
        self._durable = durable

    def prepare(self) -> None:
        make_private_folder(self.folder, self.account)
        make_private_folder(socket_dir(self.data_dir), postgres_account())
        self._end_leftover()

    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(redis_socket(self.data_dir)),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "databases": "64",
        }
        return [
            str(redis_server()),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]

    def answers(self) -> bool:
        return redis_answers(redis_socket(self.data_dir))

    def recover(self, log: str, waited_s: float) -> bool:
        """A log broken in its middle is put aside: the reconciler rings again for whatever was in it."""
        broken = self.folder / "appendonly.aof"
        if "Bad file format" not in log or not broken.exists():
            return False
        broken.rename(broken.with_name(f"appendonly.broken-{time.time_ns()}"))
        return True

    def _end_leftover(self) -> None:
        """End a server whose keeper was killed."""
        deadline = time.monotonic() + _LEFTOVER_GRACE_S
        while ask(redis_socket(self.data_dir), b"SHUTDOWN\r\n"):
            if time.monotonic() >= deadline:
                raise EmbeddedServerError(f"an earlier Redis on {redis_socket(self.data_dir)} does not end")
            time.sleep(0.1)
