"""Durable files, and the sweeper that finds what a crash left."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command

from photos.files import DurableFileStorage
from photos.models import Photo, PhotoState
from photos.services.sweeping import sweep


class FailingFile(ContentFile):  # type: ignore[type-arg]  # not subscriptable at run time
    """Fails after its first chunk, as a disk that is full does."""

    def chunks(self, chunk_size=None):
        yield b"first"
        raise OSError("no space left")


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def make_old(path: Path) -> None:
    past = time.time() - 7200
    os.utime(path, (past, past))


def test_it_works(tmp_path):
    storage = DurableFileStorage(location=tmp_path, file_permissions_mode=0o600)
    name = storage.save("a/b/one.bin", ContentFile(b"bytes"))
    assert name == "a/b/one.bin"
    assert (tmp_path / name).read_bytes() == b"bytes"
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["a/b/one.bin"]


def test_it_takes_no_name_twice(tmp_path):
    storage = DurableFileStorage(location=tmp_path)
    first, second = (storage.save("one.bin", ContentFile(data)) for data in (b"1", b"2"))
    assert first != second
    assert storage.open(first).read() == b"1"


def test_a_failed_write_leaves_nothing(tmp_path):
    storage = DurableFileStorage(location=tmp_path)
    with pytest.raises(OSError, match="no space"):
        storage.save("one.bin", FailingFile(b""))
    assert names(tmp_path) == []


def test_it_stays_in_its_folder(tmp_path):
    from django.core.exceptions import SuspiciousFileOperation

    with pytest.raises(SuspiciousFileOperation):
        DurableFileStorage(location=tmp_path / "inside").save("../outside", ContentFile(b"x"))


@pytest.mark.django_db(transaction=True)
def test_the_sweeper_deletes_what_nobody_owns(add, index, media_root):
    photo = index(add(1))
    kept = names(media_root)
    orphans = ["photos/aa/lost.jpg", "derivatives/aa/lost-480.jpg", "photos/aa/.1234.part"]
    for name in orphans:
        default_storage.save(name, ContentFile(b"x"))
    default_storage.save("queries/question", ContentFile(b"x"))  # other folders are others' business
    assert sweep().orphans == []  # too young: perhaps not committed yet
    for name in orphans:
        make_old(media_root / name)
    assert sweep(dry_run=True).orphans == sorted(orphans)
    assert len(names(media_root)) == len(kept) + 4
    assert sweep().orphans == sorted(orphans)
    assert names(media_root) == sorted([*kept, "queries/question"])
    assert Photo.objects.get(pk=photo.pk).state == PhotoState.READY


@pytest.mark.django_db
def test_the_sweeper_reports_photos_without_a_file(add, media_root, capsys):
    photo, other = add(1), add(2)
    (media_root / str(photo.image.name)).unlink()
    call_command("reconcile", sweep=True)
    assert f"photo {photo.pk} lacks its file" in capsys.readouterr().out
    photo.refresh_from_db()
    assert (photo.state, photo.index_error) == (PhotoState.FAILED, "The picture's file is missing.")
    other.refresh_from_db()
    assert other.state == PhotoState.PENDING


@pytest.mark.django_db
def test_a_replaced_pictures_copies_are_orphans(add, media_root):
    photo = add(1)
    name = f"derivatives/{photo.uuid.hex[:2]}/{photo.uuid}-0000000000000000-480.jpg"
    default_storage.save(name, ContentFile(b"x"))
    assert sweep(grace=timedelta(0)).orphans == [name]
