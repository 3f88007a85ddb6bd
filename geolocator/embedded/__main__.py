"""Run a keeper; `ensure_servers` starts it."""

from __future__ import annotations

import sys

from .keeper import main

main(sys.argv[1:])
