"""Tars in an object store: the same bytes as from a disk, and a store that fails is no fault of the pictures."""

from __future__ import annotations

import pytest

from photos.vision.__main__ import main
from photos.vision.bulk import stores
from photos.vision.bulk.sources import find_tars, list_tars
from photos.vision.bulk.stores import StoreError
from tests.vision.object_store import serve
from tests.vision.test_bulk_extraction import extract, files, tars  # noqa: F401 - a fixture


@pytest.fixture
def store(tars, monkeypatch):  # noqa: F811 - pytest's way
    """A bucket that holds the folder `tars`; yields the words behind its URLs, and its handler."""
    for name, value in (("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    stores._opened.cache_clear()
    with serve(tars.parent) as found:
        yield found


def test_tars_of_a_bucket_give_the_same_bytes(tars, store, tmp_path):  # noqa: F811
    options, handler = store
    assert extract(tars, tmp_path / "disk", "--tars-per-file", 2) == 0
    assert extract(f"s3://bucket/tars{options}", tmp_path / "store", "--tars-per-file", 2) == 0
    assert files(tmp_path / "store") == files(tmp_path / "disk")
    assert handler.reads <= 3 + 18  # each tar's headers at once, each picture once


def test_some_tars_of_a_url(tars, tmp_path):  # noqa: F811
    (tars / "notes.txt").write_text("no tar")
    (tars / "00000.tar").rename(tars / "first part.tar")
    found = find_tars(tars.as_uri())
    assert [(one.name, one.size) for one in found] == [(one.name, one.size) for one in find_tars(tars)]
    listing = list_tars(found[2:])
    assert listing.entries[0].id == "first part.tar/0000"
    assert listing.entries[0].read(1 << 20) == list_tars(find_tars(tars)[2:]).entries[0].read(1 << 20)
    assert [one.name for one in find_tars((tars / "00001.tar").as_uri())] == ["00001.tar"]
    options = ("--partition", "distractors", "--start-tar", 1, "--total-tars", 1, "--tars-per-file", 1)
    assert extract(tars.as_uri(), tmp_path / "out", *options) == 0
    assert (tmp_path / "out" / "features_distractors_00001.hdf5").exists()


def test_a_store_that_fails_blames_no_picture(tars, store, tmp_path):  # noqa: F811
    options, handler = store
    listing = list_tars(find_tars(f"s3://bucket/tars{options}"))
    handler.broken = True
    with pytest.raises(StoreError, match=r"s3://bucket/tars/00000\.tar cannot be read") as told:
        listing.entries[0].read(1 << 20)
    assert not told.value.permanent


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nowhere://bucket/tars", "nowhere://bucket/tars cannot be read: Unrecognized filesystem"),
        ("file:///not/there", "file:///not/there cannot be read"),
        ("s3:///tars", "s3:///tars cannot be read"),
    ],
)
def test_places_that_cannot_be_are_told(tmp_path, capsys, url, told):
    assert main(["extract", url, str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


def test_folders_of_pictures_are_not_read_from_stores(tmp_path, capsys):
    assert main(["extract", tmp_path.as_uri(), str(tmp_path / "out"), "--partition", "positives"]) == 1
    assert "object stores hold tars; positives are read from a folder" in capsys.readouterr().err
