"""One module for each sub-command, with `HELP`, `add_arguments(parser)` and `run(options) -> status`."""
