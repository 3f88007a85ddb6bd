#!/usr/bin/env python
"""Geolocator's command line."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geolocator.settings")
    from django.core.management import execute_from_command_line

    from geolocator.embedded.commands import start_for_command

    with start_for_command(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
