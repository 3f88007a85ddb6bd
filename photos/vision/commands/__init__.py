"""The sub-commands of `python -m photos.vision`: one module each.

A module's name, with dashes, is the command's; it holds `HELP`, `add_arguments(parser)` and `run(options)`,
which returns the exit status.
"""
