"""The README's table of settings and the code say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READERS = {"read_text", "read_optional", "read_bool", "read_int", "read_float", "read_list"}


def settings_in_code() -> set[str]:
    names = set()
    for path in [ROOT / "geolocator" / "settings.py", *(ROOT / "geolocator").rglob("up.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in READERS:
                first = node.args[0]
                assert isinstance(first, ast.Constant), f"{path.name}:{node.lineno} names no variable"
                names.add(str(first.value))
    return names


def settings_in_readme() -> set[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Settings", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([A-Z_0-9]+)`", section, flags=re.MULTILINE))


def test_readme_and_code_name_the_same_settings():
    assert settings_in_readme() == settings_in_code() | {"HOST", "PORT"}
