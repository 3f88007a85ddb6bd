"""What the documentation says of the containers is what the Dockerfile makes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from photos.vision.__main__ import build_parser

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def documented() -> list[list[str]]:
    """Return the words after the image's name in every `docker run` of docs/models.md."""
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("docker run ")]
    return [words[words.index("geolocator-extract") + 1 :] for words in commands]


def test_the_extract_target_runs_the_documented_commands():
    stage = DOCKERFILE.split(" AS extract\n")[1].split("FROM ")[0]
    entry = json.loads(re.findall(r"^ENTRYPOINT (\[.*\])$", stage, flags=re.MULTILINE)[0])
    assert entry == ["python", "-m", "photos.vision"]
    assert {words[0] for words in documented()} == {"fetch", "extract"}
    for words in documented():
        assert build_parser().parse_args(words)


def test_every_folder_that_it_copies_exists():
    copied = re.findall(r"^COPY (.*) \S+$", DOCKERFILE, flags=re.MULTILINE)
    assert copied
    for sources in copied:
        assert all((ROOT / name).exists() for name in sources.split())
