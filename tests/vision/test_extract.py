"""Folders of pictures into files: `python -m photos.vision extract`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from photos.vision import configuration, registry
from photos.vision.__main__ import main
from photos.vision.describe import describe_image
from photos.vision.errors import VisionError
from photos.vision.extraction import ExtractionSettings, extract_folder
from photos.vision.images import read_image
from photos.vision.interchange.per_image_json import read_vectors, write_record
from tests.photos.networks import SETTINGS, SPACE, write_models
from tests.photos.pictures import blank_jpeg, encode, jpeg, textured

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"filename", "image_path", "num_segments", "segments", "global_features", "feature_dimension", "model"}
SEGMENT_KEYS = {"segment_id", "area", "bbox", "stability_score", "features", "tags"}


@pytest.fixture
def folder(tmp_path):
    """Four pictures, one of them blank and one in a folder of its own, and one that is none."""
    pictures = tmp_path / "pictures"
    (pictures / "old town").mkdir(parents=True)
    (pictures / "a.jpg").write_bytes(jpeg(1))
    (pictures / "b.PNG").write_bytes(encode(textured(2), "PNG"))
    (pictures / "blank.jpg").write_bytes(blank_jpeg())
    (pictures / "broken.jpg").write_bytes(jpeg(3)[:900])
    (pictures / "old town" / "köprü.jpg").write_bytes(jpeg(4))
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden.jpg").write_bytes(jpeg(5))
    return pictures


def read(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def files(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())


def test_it_works(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["extract", str(folder), str(out)]) == 0
    assert "4 described" in capsys.readouterr().out
    assert files(out) == [
        *("a.jpg.json", "b.PNG.json", "blank.jpg.json", "errors.jsonl", "extraction.json"),
        "old town/köprü.jpg.json",
    ]
    record = read(out / "old town" / "köprü.jpg.json")
    assert record.keys() >= KEYS
    assert (record["filename"], record["image_path"]) == ("köprü.jpg", "old town/köprü.jpg")
    assert (record["model"], record["feature_dimension"]) == ("classical-512", 512)
    assert record["num_segments"] == len(record["segments"]) > 0
    assert all(one.keys() >= SEGMENT_KEYS and len(one["features"]) == 512 for one in record["segments"])
    assert [one["segment_id"] for one in record["segments"]] == list(range(record["num_segments"]))
    (refused,) = (json.loads(line) for line in (out / "errors.jsonl").read_text().splitlines())
    assert refused["image_path"] == "broken.jpg"
    assert refused["code"] == "broken"
    blank = read(out / "blank.jpg.json")
    assert (blank["global_features"], blank["segments"]) == (None, [])


def test_the_vectors_come_back_as_they_were(folder, tmp_path):
    extract_folder(folder, tmp_path / "out", ExtractionSettings(), pictures=[folder / "a.jpg"])
    whole, parts = read_vectors(tmp_path / "out" / "a.jpg.json")
    found = describe_image(
        read_image(folder / "a.jpg", max_side=1600),
        encoder=registry.get_encoder("classical-512"),
        segmenter=registry.get_segmenter("windows"),
    )
    assert whole is not None
    assert found.embedding is not None
    assert np.array_equal(whole, found.embedding)
    assert np.array_equal(parts, np.stack([one.embedding for one in found.segments]))


def test_what_is_there_is_not_done_again(folder, tmp_path):
    out = tmp_path / "out"
    first = extract_folder(folder, out, ExtractionSettings())
    assert (first.described, first.skipped, len(first.refused)) == (4, 0, 1)
    stamps = {name: (out / name).stat().st_mtime_ns for name in files(out) if name.endswith(".jpg.json")}
    (folder / "c.jpg").write_bytes(jpeg(7))
    (folder / "broken.jpg").write_bytes(jpeg(3))  # mended
    again = extract_folder(folder, out, ExtractionSettings())
    assert (again.described, again.skipped, again.refused) == (2, 4, [])
    assert not (out / "errors.jsonl").exists()
    assert {name: (out / name).stat().st_mtime_ns for name in stamps} == stamps


def test_killed_in_the_middle_it_goes_on(tmp_path):
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for number in range(12):
        (pictures / f"{number:02}.jpg").write_bytes(jpeg(number, size=(800, 600)))
    command = [sys.executable, "-m", "photos.vision", "extract", str(pictures), str(out), "--batch", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*.jpg.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path.name for path in out.glob("*.jpg.json")}
    assert 3 <= len(done) <= 12
    assert all(read(out / name).keys() >= KEYS for name in done)  # none is cut short
    report = extract_folder(pictures, out, ExtractionSettings())
    assert (report.described, report.skipped) == (12 - len(done), len(done))
    assert len(list(out.glob("*.jpg.json"))) == 12


def test_the_whole_picture_may_be_left_out(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("EXTRACT_GLOBAL_FEATURES", "no")
    extract_folder(folder, tmp_path / "out", ExtractionSettings(), pictures=[folder / "a.jpg"])
    whole, parts = read_vectors(tmp_path / "out" / "a.jpg.json")
    assert whole is None
    assert len(parts) > 0


def test_other_settings_need_another_folder(folder, tmp_path):
    out = tmp_path / "out"
    extract_folder(folder, out, ExtractionSettings(), pictures=[])
    with pytest.raises(VisionError, match=r"was filled with other settings, see .*extraction\.json"):
        extract_folder(folder, out, ExtractionSettings(segmenter="regions"))


def test_sam_and_clip_by_a_file_of_settings(folder, tmp_path, capsys):
    models = write_models(tmp_path / "models")
    lines = [
        f'model_dir = "{models}"',
        f'encoder = "{SPACE}"',
        'engine = "torch"',
        'words = ["sea", "wooden pier"]',
        "tag_cut = 0.0",
    ]
    lines += [f"{name} = {value}" for name, value in SETTINGS.items() if not isinstance(value, str)]
    (tmp_path / "file.toml").write_text("\n".join(lines))
    registry.forget_made()
    try:
        assert main(["extract", str(folder), str(tmp_path / "out"), "--config", str(tmp_path / "file.toml")]) == 0
    finally:
        registry.forget_made()
    record = read(tmp_path / "out" / "a.jpg.json")
    assert (record["model"], record["segmenter"]) == (SPACE, "sam-vit-b")
    assert len(record["global_features"]) == 512
    assert 1 <= record["num_segments"] <= 10
    assert all(set(one["tags"]) == {"sea", "wooden-pier"} for one in record["segments"])
    settings = read(tmp_path / "out" / "extraction.json")
    assert (settings["points_per_side"], settings["words"]) == (6, ["sea", "wooden pier"])
    assert configuration.current().points_per_side == 0  # nothing of it stays behind
    assert "4 described" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("encoder = ", "is no TOML"),
        ("points = 3", "unknown settings points; known: "),
        ('batch = "many"', r"file\.toml: argument --batch: invalid int value: 'many'"),
        ("batch = true", "batch = True is of the wrong kind; use text, a number"),
        ('config = "other.toml"', "unknown settings config; known: "),
        ('words = "sea"', "words = 'sea'; use a list of words"),
        ('tag_cut = "high"', "tag_cut = 'high'; use a number"),
        ("model_dir = 3", "MODEL_DIR=3 is no path"),
        ("owlv2_prompts = [1]", r"OWLV2_PROMPTS=\[1\]: use a list of texts"),
        ("batch = 0", "batch must be at least 1"),
        ('encoder = "clip"', "unknown encoder 'clip'"),
        (f'encoder = "{SPACE}"', r"weights ViT-B-32\.pt are not in"),
    ],
)
def test_it_rejects_settings_that_cannot_be(folder, tmp_path, monkeypatch, capsys, content, message):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "none"))
    registry.forget_made()
    (tmp_path / "file.toml").write_text(content)
    assert main(["extract", str(folder), str(tmp_path / "out"), "--config", str(tmp_path / "file.toml")]) == 1
    told = capsys.readouterr().err
    assert re.search(message, told)
    assert len(told.splitlines()) == 1


def test_it_names_a_file_of_settings_that_is_not_there(folder, tmp_path, capsys):
    assert main(["extract", str(folder), str(tmp_path / "out"), "--config", str(tmp_path / "none.toml")]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'none.toml'} cannot be read: No such file or directory\n"


def test_it_rejects_a_folder_that_is_none(tmp_path, capsys):
    assert main(["extract", str(tmp_path / "none"), str(tmp_path / "out")]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write_record(tmp_path / "a.json", {"global_features": None, "segments": [], "feature_dimension": 3})
    assert read_vectors(tmp_path / "a.json")[1].shape == (0, 3)
    with pytest.raises(ValueError, match="Out of range float"):
        write_record(tmp_path / "a.json", {"global_features": [float("nan")]})
    assert files(tmp_path) == ["a.json"]
    assert read_vectors(tmp_path / "a.json")[0] is None
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(VisionError, match="is no extraction of a picture"):
        read_vectors(tmp_path / "a.json")
