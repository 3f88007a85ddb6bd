"""Where pictures and texts come from: folders, lists of ids, tar files; each entry is a place in a file.

Nothing is unpacked: a picture in a tar is read where it lies, on a disk or in an object store. Tars are named as
WebDataset does it: `00000.tar` with `key.jpg` in it holds the picture `00000.tar/key`.
"""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from photos.vision.bulk.stores import Place, list_files, open_file, read_part
from photos.vision.errors import VisionError
from photos.vision.interchange.ilias_hdf5 import unescape_id
from photos.vision.interchange.lists import read_rows

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif"})

_WORDS: Final = {"image_queries": "quer", "positives": "pos"}
"""What the paths of a partition's pictures have in them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture or text by its id: `size` bytes at `offset` of the file at `path`, which may be a URL, or all of it."""

    id: str
    path: str
    offset: int = 0
    size: int = -1

    def read(self, limit: int) -> bytes:
        """Return its bytes, at most `limit` + 1 of them; raises `OSError`, and `StoreError` where a store fails."""
        most = limit + 1
        return read_part(self.path, self.offset, most if self.size < 0 else min(self.size, most))


@dataclass(frozen=True, slots=True)
class Tar:
    """A tar file: its own name, its path or URL, and its size in bytes."""

    name: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What a place holds, in order, and what is wrong with it: (id, what, code) of each entry left out."""

    entries: list[Entry]
    refused: list[tuple[str, str, str]]


def find_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder and its subfolders by their suffixes, in order; hidden ones are left out."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and _is_open(path, folder))


def list_folder(folder: Path, *, partition: str = "") -> Listing:
    """List a folder's pictures, or those of one partition of ILIAS; ids are paths in the folder, sorted."""
    names = sorted(path.relative_to(folder).as_posix() for path in find_pictures(folder))
    word = _WORDS.get(partition, "")
    return Listing([Entry(name, str(folder / name)) for name in names if word in name], [])


def list_texts(folder: Path) -> Listing:
    """List the descriptions of things, `T*.txt` anywhere in the folder, sorted."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("T*.txt") if _is_open(path, folder))
    return Listing([Entry(name, str(folder / name)) for name in names], [])


def list_selected(folder: Path, ids: Sequence[str]) -> Listing:
    """List the pictures or texts of these ids, in their order; one that is not there is told as refused.

    Ids may be spelled as files of features spell them.
    """
    entries: list[Entry] = []
    refused: list[tuple[str, str, str]] = []
    for one in dict.fromkeys(ids):
        places = (folder / one, folder / unescape_id(one))
        path = next((path for path in places if path.is_file()), None)
        if path is not None and path.resolve().is_relative_to(folder.resolve()):
            entries.append(Entry(one, str(path)))
        else:
            refused.append((one, f"There is no file {one} in {folder}.", "missing"))
    return Listing(entries, refused)


def list_tars(tars: Sequence[Tar], *, selected: Collection[str] | None = None) -> Listing:
    """List the pictures of tars, in their order in them; `selected` are ids, or keys without the tar's name.

    An id of one of these tars that is not in it is told as refused; a key alone may be in any other.
    """
    listing = Listing([], [])
    for tar in tars:
        known: set[str] = set()
        try:
            for key, entry, name in _iterate_tar(tar):
                if selected is not None and key not in selected and entry.id not in selected:
                    continue
                if wrong := _told_of_name(tar, name, key, known):
                    # By its whole name: the picture that has the key's id is described all the same.
                    listing.refused.append((f"{tar.name}/{name}", *wrong))
                else:
                    known.add(key)
                    listing.entries.append(entry)
        except tarfile.TarError as exc:
            last = listing.entries[-1].id if known else "none"
            told = f"{tar.path} is no whole tar file ({exc}); the last picture found is {last}."
            listing.refused.append((tar.name, told, "broken-tar"))
    listing.refused.extend(_missing(tars, selected or (), {one.id for one in listing.entries}))
    return listing


def example_id(tars: Sequence[Tar]) -> str:
    """Return the id of the first picture of these tars, or one as it would be."""
    for tar in tars:
        with suppress(tarfile.TarError):
            for _key, entry, _name in _iterate_tar(tar):
                return entry.id
    return "00000.tar/0001"


def find_tars(place: Place) -> list[Tar]:
    """Return a tar file itself, or the tars of a folder, sorted by name; raises `VisionError` for packed ones."""
    if isinstance(place, str):
        found = [Tar(*one) for one in list_files(place, ".tar")]
    else:
        paths = [place] if place.is_file() else sorted(place.glob("*.tar"))
        found = [Tar(one.name, str(one), one.stat().st_size) for one in paths if one.suffix == ".tar"]
    if not found:
        raise VisionError(f"{place} is or holds no .tar file; a packed one (.tar.gz) must be unpacked to .tar first")
    return found


def read_ids(path: Path) -> list[str]:
    """Return the first column of a CSV file, or the lines of a plain list, gzipped or not; empty ones do not count.

    Raises `InterchangeError` for another file, and `VisionError` for one without ids.
    """
    ids = [row[0] for row in read_rows(path) if row[0]]
    if not ids:
        raise VisionError(f"{path} names no ids; the first column of each line is one")
    return ids


def _missing(tars: Sequence[Tar], selected: Collection[str], found: set[str]) -> Iterator[tuple[str, str, str]]:
    named = {tar.name for tar in tars}
    for one in selected:
        tar, slash, key = one.partition("/")
        if slash and tar in named and one not in found:
            yield one, f"There is no picture {key} in {tar}; a key is the picture's name without its suffix.", "missing"


def _told_of_name(tar: Tar, name: str, key: str, known: Collection[str]) -> tuple[str, str] | None:
    """Return what is wrong with a picture's name, and the same as a word for programs; nothing where it is right."""
    if f".{name.rpartition('/')[2].partition('.')[2].lower()}" not in SUFFIXES:
        return f"{tar.name} has {name}; a key ends at the first dot: name it KEY.SUFFIX, with no other dot.", "dots"
    if key in known:
        return f"{tar.name} has two pictures {key}; the first counts.", "twice"
    return None


def _iterate_tar(tar: Tar) -> Iterator[tuple[str, Entry, str]]:
    """Yield the key, the entry and the whole name of each picture, those whose names have other dots among them."""
    with open_file(tar.path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # or a tar of millions fills the memory
            folder, _slash, name = member.name.removeprefix("./").rpartition("/")
            stem = name.partition(".")[0]
            if not member.isfile() or not stem or Path(name).suffix.lower() not in SUFFIXES:
                continue
            if member.offset_data + member.size > tar.size:
                raise tarfile.ReadError("unexpected end of data")
            key = f"{folder}/{stem}" if folder else stem
            whole = f"{folder}/{name}" if folder else name
            yield key, Entry(f"{tar.name}/{key}", tar.path, member.offset_data, member.size), whole


def _is_open(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
