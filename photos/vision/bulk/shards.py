"""One file of features on its way: what is in it, what was refused, who writes it.

`NAME.hdf5` comes with `NAME.json`, how it was made, and, where pictures were refused, `NAME.errors.jsonl`;
`NAME.parquet` with `NAME.parquet.json` and `NAME.parquet.errors.jsonl`, so that both may lie in one folder. Until a
file is whole its rows lie in `NAME.hdf5.part`. All of them have the same bytes however often the way to them was cut.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TextIO

from photos.vision.bulk import local_files
from photos.vision.bulk.sources import Entry
from photos.vision.bulk.stage import Described, Refusal
from photos.vision.errors import VisionError
from photos.vision.interchange import feature_files, feature_journal
from photos.vision.interchange.whole_files import whole_file

_REFUSED: Final = "refused.jsonl"
_ASKED: Final = "asked.json"
_LOCK: Final = "lock"
_PLAIN: Final = ".hdf5"


class OtherSettingsError(VisionError):
    """A file was made, or begun, from other input or with another recipe."""


class Shard:
    """A file that is being filled; raises `OtherSettingsError`, and `VisionError` where another process fills it."""

    def __init__(self, path: Path, asked: Mapping[str, Any], *, dtype: str, local: bool = False) -> None:
        self.path, self._asked = path, dict(asked)
        self._folder = path.with_name(f"{path.name}.part")  # the journal's own, locked before it looks inside
        self._lock = self._claim()
        try:
            self._journal: Any = (local_files.LocalFeatureWriter if local else feature_files.open_writer)(
                path, dtype=dtype
            )
            self._refused = _read_refused(self._folder / _REFUSED)
            self._refused_file = (self._folder / _REFUSED).open("a", encoding="utf-8")
        except BaseException:
            self._lock.close()
            raise

    @property
    def done(self) -> set[str]:
        """The ids that need no more work."""
        return {*self._journal.ids, *self._refused}

    @property
    def refused(self) -> dict[str, Refusal]:
        return self._refused

    def add(self, described: Described) -> None:
        """Keep what was described; it is on the disk when this returns."""
        self.refuse(described.refused)
        if described.ids:
            self._journal.append(described.ids, described.vectors)

    def refuse(self, refused: Sequence[Refusal]) -> int:
        """Keep what cannot be described, once each; returns how many were not known."""
        new = {one[0]: one for one in refused if one[0] not in self._refused}
        self._refused |= new
        if new:
            self._refused_file.writelines(json.dumps(one) + "\n" for one in new.values())
            self._refused_file.flush()
            os.fsync(self._refused_file.fileno())
        return len(new)

    def finish(self, entries: Sequence[Entry]) -> None:
        """Make the files of what is there, in the entries' order; the last to appear is the one looked for."""
        there = set(self._journal.ids)
        order = [one.id for one in entries if one.id in there]
        refused = sorted(self._refused.values())
        _write_errors(errors_path(self.path), refused)
        facts = {**self._asked, "rows": len(order), "dimensions": self._journal.dimensions, "refused": len(refused)}
        _write_json(facts_path(self.path), facts)
        self._refused_file.close()
        self._journal.finish(order=order)
        self._lock.close()

    def close(self) -> None:
        self._refused_file.close()
        self._journal.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _claim(self) -> TextIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = (self._folder / _LOCK).open("w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            asked = self._folder / _ASKED
            if not _holds_rows(self._folder):
                _empty(self._folder)
                _write_json(asked, self._asked)
            check_asked(asked, self._asked, self.path)
            _remove_unfinished(self.path)
        except BlockingIOError as exc:
            lock.close()
            raise VisionError(f"{self.path} is being written by another process") from exc
        except BaseException:
            lock.close()
            raise
        return lock


def _holds_rows(folder: Path) -> bool:
    """Say whether a former run described anything: until then another recipe, or a corrected one, may take over."""
    told = [folder / name for name in (feature_journal.IDS_NAME, local_files.ROWS_NAME)]
    return any(path.exists() and path.stat().st_size for path in told)


def _empty(folder: Path) -> None:
    for left in folder.iterdir():
        if left.name != _LOCK:
            left.unlink()


def _remove_unfinished(path: Path) -> None:
    """Remove what a run left that was killed while it made this file, or those beside it, from its rows."""
    for name in (path.name, facts_path(path).name, errors_path(path).name):
        for left in path.parent.glob(f".*.{glob.escape(name)}"):
            left.unlink(missing_ok=True)


def is_finished(path: Path, asked: Mapping[str, Any]) -> bool:
    """Say whether the file is whole; raises `OtherSettingsError` where it was made in another way."""
    if not path.exists():
        return False
    if facts_path(path).exists():
        check_asked(facts_path(path), asked, path)
    return True


def check_asked(facts: Path, asked: Mapping[str, Any], path: Path) -> None:
    """Compare what is asked with what a file was made with; raises `OtherSettingsError` naming the difference."""
    try:
        known = dict(json.loads(facts.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as exc:
        raise OtherSettingsError(f"{facts} does not tell how {path} was made; remove both to make it anew") from exc
    wanted = json.loads(json.dumps(asked))
    if difference := _difference(known, wanted):
        raise OtherSettingsError(f"{path} was made with {difference}; name another folder, or remove it")


def _difference(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return the first of `wanted` that differs, as `recipe model 'a', not 'b'`; nothing where none does."""
    for name, value in wanted.items():
        other = known.get(name)
        if other == value:
            continue
        inner = _difference(other, value) if isinstance(other, dict) and isinstance(value, dict) else ""
        return f"{name} {inner}" if inner else f"{name} {other!r}, not {value!r}"
    return ""


def errors_path(path: Path) -> Path:
    return _beside(path, ".errors.jsonl")


def facts_path(path: Path) -> Path:
    return _beside(path, ".json")


def _beside(path: Path, suffix: str) -> Path:
    """Return the name of a file that comes with another: files of HDF5 give it theirs without their suffix."""
    stem = path.stem if path.suffix == _PLAIN else path.name
    return path.with_name(f"{stem}{suffix}")


def _write_errors(path: Path, refused: Sequence[Refusal]) -> None:
    path.unlink(missing_ok=True)
    if refused:
        lines = [
            json.dumps({"id": one, "error": told, "code": code}, ensure_ascii=False) for one, told, code in refused
        ]
        with whole_file(path) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_json(path: Path, facts: Mapping[str, Any]) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _read_refused(path: Path) -> dict[str, Refusal]:
    """Return what was refused before; a line that was cut short is dropped from the file."""
    found: dict[str, Refusal] = {}
    if not path.exists():
        return found
    end = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            one, told, code = json.loads(line)
            found[one] = (one, told, code)
            end += len(line)
    os.truncate(path, end)
    return found
