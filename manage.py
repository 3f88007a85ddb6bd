#!/usr/bin/env python
"""Geolocator's command line."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    if sys.argv[1:2] == [
        "up"
    ]:  # an exception raised while modules are imported may get lost: end at once, nothing runs yet
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geolocator.settings")
    from django.core.management import execute_from_command_line

    from geolocator.embedded.commands import start_for_command

    with start_for_command(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
