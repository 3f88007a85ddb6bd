"""The import arrows: geolocator -> search -> photos -> photos.vision, never backwards."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "photos/vision": (
        "django",
        "rest_framework",
        "django_rq",
        "photos.models",
        "photos.services",
        "search",
        "geolocator",
    ),
    "photos/sample": ("django", "search", "geolocator"),
    "photos": ("search", "geolocator"),
    "search": ("geolocator",),
}
PURE = [
    "search/ranking.py",
    "search/location.py",
    "search/geodesy.py",
    "search/evaluation/comparison.py",
    "search/charts.py",
    "search/evaluation/fitting.py",
    "search/evaluation/localisation.py",
    "search/evaluation/localisation_measures.py",
    "search/evaluation/metrics.py",
    "search/evaluation/retrieval.py",
    "search/evaluation/soir.py",
    "photos/exif.py",
]


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def offences(path: Path, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for line, module in imported_modules(path)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_no_arrow_runs_backwards(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"{folder} holds no Python file: has it moved?"
    assert [found for path in files for found in offences(path, FORBIDDEN[folder])] == []


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_django_and_no_models(name):
    assert (
        offences(ROOT / name, ("django", "rest_framework", "photos.models", "search.models", "photos.services")) == []
    )


def test_an_arrow_backwards_is_seen(tmp_path):
    path = ROOT / "photos" / "vision" / "types.py"
    assert ("numpy" in {module for _, module in imported_modules(path)}) is True
    assert offences(path, ("numpy",)) != []
