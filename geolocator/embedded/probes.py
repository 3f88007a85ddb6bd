"""Asking a server on a unix socket whether it answers, without a client library."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

_PROTOCOL_3_0 = 196608
_TIMEOUT_S = 2.0


def postgres_answers(path: Path, *, user: str, database: str) -> bool:
    """Whether PostgreSQL accepts connections: it begins its answer with R, or E while it starts up.

    https://www.postgresql.org/docs/18/protocol-flow.html
    """
    words = b"\0".join([b"user", user.encode(), b"database", database.encode(), b"", b""])
    startup = struct.pack("!ii", len(words) + 8, _PROTOCOL_3_0) + words
    return ask(path, startup, farewell=b"X\0\0\0\4")[:1] == b"R"


def redis_answers(path: Path) -> bool:
    """Whether Redis serves commands: it says LOADING instead of PONG while it reads its log."""
    return ask(path, b"PING\r\n").startswith(b"+PONG")


def ask(path: Path, message: bytes, *, farewell: bytes = b"") -> bytes:
    """Send one message, take leave, and return the first piece of the answer, empty where nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(message)
            answer = connection.recv(256)
            connection.sendall(farewell)
            connection.shutdown(socket.SHUT_WR)
            while answer and connection.recv(4096):
                pass  # a connection closed unread would be an error in the server's log
            return answer
    except OSError:
        return b""
