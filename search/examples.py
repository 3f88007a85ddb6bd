"""The sample's held-out views, which a visitor may try the site with."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings


def examples_folder() -> Path:
    return Path(settings.DATA_DIR) / "sample" / "held-out"


def list_examples() -> list[str]:
    """Return the file names of the views to try; none where there is no sample."""
    try:
        truths = json.loads((examples_folder() / "truth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [truth["file"] for truth in truths if (examples_folder() / truth["file"]).is_file()]


def read_example(name: str) -> bytes:
    """Return a view's file; raises `FileNotFoundError` for a name that is not listed."""
    if name not in list_examples():
        raise FileNotFoundError(name)
    return (examples_folder() / name).read_bytes()
