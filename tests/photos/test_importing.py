"""Folders of pictures, with and without a sidecar."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from photos.errors import InvalidSidecarError
from photos.models import Photo, PhotoState
from photos.services.importing import import_folder, list_files, wait_until_indexed
from photos.sidecars import read_sidecar
from tests.photos.pictures import encode, jpeg, placed_jpeg, textured

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pictures, one of them twice; a text; a truncated one is still readable by its header."""
    base: Path = tmp_path / "pictures"
    (base / "deep" / "er").mkdir(parents=True)
    (base / "a.jpg").write_bytes(placed_jpeg(1, 41.0, 28.5))
    (base / "deep" / "b.JPG").write_bytes(jpeg(2))
    (base / "deep" / "er" / "c.bin").write_bytes(encode(textured(3), "PNG"))
    (base / "deep" / "again.jpg").write_bytes(jpeg(2))
    (base / "notes.txt").write_text("no picture")
    (base / "empty.jpg").write_bytes(b"")
    (base / ".hidden.jpg").write_bytes(jpeg(4))
    return base


def relative(folder: Path, paths) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in paths)


def test_it_works(folder, owner, space):
    seen = []
    report = import_folder(
        folder,
        owner=owner,
        visibility="private",
        progress=lambda path, outcome: seen.append((path.name, outcome)),
        defaults={"credit": "Ada"},
    )
    assert len(report.added) == 3
    assert relative(folder, report.skipped) == ["deep/b.JPG"]
    assert relative(folder, [path for path, _ in report.refused]) == ["empty.jpg", "notes.txt"]
    assert all("send" in reason for _, reason in report.refused)
    assert len(seen) == 6
    photos = Photo.objects.all()
    assert {(photo.owner, photo.visibility, photo.credit) for photo in photos} == {(owner, "private", "Ada")}
    assert photos.get(original_name="a.jpg").location_source == "exif"


def test_it_can_be_repeated(folder, space):
    import_folder(folder, files=list_files(folder)[:2])
    report = import_folder(folder)
    assert (len(report.added), len(report.skipped)) == (1, 3)
    assert import_folder(folder).added == []
    assert Photo.objects.count() == 3


def test_a_csv_sidecar_is_found(folder, space):
    (folder / "sidecar.csv").write_text(
        "\ufefffile,lat,lon,title,description,credit,licence,tags,places,datetime,bearing_deg,extra\n"
        'a.jpg,-33.857,151.2153,Opera,"with, a comma\nand a line",Bob,CC0,harbour; night,Sydney;Australia,'
        "2020-01-02T03:04:05+11:00,90,ignored\n"
        "deep/again.jpg,,,Only a title,,,,,,2020-01-02 03:04:05,,\n",
        encoding="utf-8",
    )
    import_folder(folder)
    photo = Photo.objects.get(title="Opera")
    assert (photo.latitude, photo.longitude, photo.location_source) == (-33.857, 151.2153, "import")
    assert (photo.description, photo.credit, photo.license) == ("with, a comma\nand a line", "Bob", "CC0")
    assert photo.bearing_deg == 90
    assert photo.taken_at == datetime(2020, 1, 1, 16, 4, 5, tzinfo=UTC)
    assert {(tag.slug, tag.is_place) for tag in photo.tags.all()} == {
        ("harbour", False),
        ("night", False),
        ("sydney", True),
        ("australia", True),
    }
    second = Photo.objects.get(title="Only a title")
    assert (second.latitude, second.taken_at) == (None, datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_a_sidecar_of_another_name_is_no_picture_and_may_tell_times_as_exif_does(folder, space, monkeypatch):
    (folder / "manifest.csv").write_text("file,lat,lon,datetime\na.jpg,1,2,2022:08:14 14:12:31\n")
    monkeypatch.chdir(folder)
    report = import_folder(folder, sidecar=Path("manifest.csv"))
    assert relative(folder, [path for path, _ in report.refused]) == ["empty.jpg", "notes.txt"]
    assert Photo.objects.get(latitude=1).taken_at == datetime(2022, 8, 14, 14, 12, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "rows", [[{"file": "a.jpg", "latitude": 1.5, "longitude": 2.5}], {"a.jpg": {"lat": 1.5, "lng": 2.5, "tags": ["x"]}}]
)
def test_a_json_sidecar_is_read(folder, tmp_path, space, rows):
    sidecar = tmp_path / "places.json"
    sidecar.write_text(json.dumps(rows))
    import_folder(folder, sidecar=sidecar)
    assert Photo.objects.filter(latitude=1.5, longitude=2.5, location_source="import").count() == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("95,10,", "latitude"),
        ("abc,10,", "not a number"),
        ("nan,10,", "finite"),
        ("10,,", "both"),
        (",,yesterday", "not a time"),
    ],
)
def test_a_wrong_row_refuses_its_file_only(folder, space, values, reason):
    (folder / "sidecar.csv").write_text(f"file,latitude,longitude,taken_at\na.jpg,{values}\n")
    report = import_folder(folder)
    refused = {path.name: why for path, why in report.refused}
    assert reason in refused["a.jpg"]
    assert len(report.added) == 2


def test_unknown_words_are_refused(folder, space):
    (folder / "sidecar.csv").write_text("file,visibility\na.jpg,secret\n")
    report = import_folder(folder)
    assert "public, private" in dict(report.refused)[folder / "a.jpg"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("s.csv", "name,lat\na,1\n"), ("s.json", "{"), ("s.json", "[1]"), ("s.json", '[{"file": "a", "lat": NaN}]')],
)
def test_an_unreadable_sidecar_is_refused_before_anything(folder, tmp_path, space, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidSidecarError):
        import_folder(folder, sidecar=tmp_path / name)
    assert not Photo.objects.exists()


@given(st.text(max_size=200))
def test_no_text_breaks_the_sidecar_reader(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("sidecar") / "s.csv"
    path.write_text(text, encoding="utf-8", errors="replace")
    with contextlib.suppress(InvalidSidecarError):
        assert isinstance(read_sidecar(path).fields_for(PurePosixPath(text)), dict)


def test_a_file_that_is_gone_meanwhile_is_refused(folder, space):
    report = import_folder(folder, files=[folder / "gone.jpg", folder / "a.jpg"])
    assert "No such file" in dict(report.refused)[folder / "gone.jpg"]
    assert len(report.added) == 1


def test_the_command_tells_what_it_did(folder, owner, space, capsys):
    call_command("import_photos", str(folder), owner="ada", visibility="private", license="CC0", verbosity=0)
    output = capsys.readouterr()
    assert "Added 3 photos, skipped 1 that were there already, refused 2 files." in output.out
    assert "notes.txt: The file is no picture" in output.err
    assert Photo.objects.filter(owner=owner, visibility="private", license="CC0").count() == 3


def test_the_command_rejects_what_is_not_there(folder, space):
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("import_photos", str(folder), owner="nobody", verbosity=0)
    with pytest.raises(CommandError, match="not a folder"):
        call_command("import_photos", str(folder / "nowhere"), verbosity=0)
    with pytest.raises(CommandError, match="sidecar"):
        call_command("import_photos", str(folder), sidecar=folder / "none.csv", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_waiting_does_the_work_where_no_worker_runs(folder, space, monkeypatch):
    monkeypatch.setattr("photos.services.importing._PATIENCE_S", 0.0)
    report = import_folder(folder)
    seen: list[int] = []
    wait_until_indexed(report.added, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 3
    assert set(Photo.objects.values_list("state", flat=True)) == {PhotoState.READY}
