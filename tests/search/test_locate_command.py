"""`manage.py locate FILE…`"""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from tests.search.pictures import picture_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(town, tmp_path):
    (tmp_path / "gate.jpg").write_bytes(picture_of(1, 5, gps=(10.0, 20.0)))
    (tmp_path / "unknown.jpg").write_bytes(picture_of(7, 0))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def locate(*arguments):
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("locate", *map(str, arguments), stdout=out, stderr=err, no_color=True)
    except CommandError as exc:
        code = exc.returncode
    return code, out.getvalue(), err.getvalue()


def test_it_works(folder):
    code, out, err = locate(folder / "gate.jpg", folder / "unknown.jpg")
    assert (code, err) == (0, "")
    assert "Probably at 41.0" in out
    assert "EXIF: At 10.00000, 20.00000." in out
    assert "confirmed" in out
    assert "I cannot place this photo; these look similar, unverified." in out


def test_it_prints_json(folder):
    code, out, _ = locate("--json", "--limit", 2, folder / "gate.jpg", folder / "unknown.jpg")
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert first["location"]["latitude"] == pytest.approx(41.0, abs=1e-3)
    assert len(first["matches"]) == 2
    assert second["location"] is None
    assert second["file"].endswith("unknown.jpg")


def test_bad_files_are_listed_and_the_others_answered(folder):
    code, out, err = locate(folder / "broken.jpg", folder / "missing.jpg", folder / "gate.jpg")
    assert code == 2
    assert "Probably at 41.0" in out
    assert "broken.jpg: The file is no picture" in err
    assert "missing.jpg: No such file or directory" in err


def test_bad_files_are_listed_in_json_too(folder):
    code, out, _ = locate("--json", folder / "broken.jpg")
    assert code == 2
    assert json.loads(out)["error"].startswith("The file is no picture")


@pytest.mark.parametrize("limit", ["0", "51", "x"])
def test_it_rejects_a_limit_out_of_bounds(limit):
    with pytest.raises(CommandError, match="1 to 50"):
        call_command("locate", "a.jpg", "--limit", limit)
