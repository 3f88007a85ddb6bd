"""Lists and files as other people make them, and options that do not go together: told in one line, or taken."""

from __future__ import annotations

import gzip
import json
import shutil

import h5py
import numpy as np
import pytest

from photos.vision.__main__ import main
from photos.vision.errors import InterchangeError, WeightsCorruptError
from photos.vision.interchange import feature_files
from photos.vision.interchange.faiss_index import export_index
from photos.vision.interchange.ilias_hdf5 import unescape_id
from photos.vision.interchange.lists import read_rows
from photos.vision.interchange.soir_files import read_anns
from photos.vision.weights import load_state
from tests.photos.pictures import jpeg
from tests.vision.test_bulk_extraction import extract, files, write_tar
from tests.vision.test_feature_files import vectors, write


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(["a.jpg", "b.jpg", "köy.jpg"]):
        (folder / name).write_bytes(jpeg(number, size=(96, 72)))
    return folder


@pytest.fixture
def tar(tmp_path):
    return write_tar(tmp_path / "00000.tar", {f"{number}.jpg": jpeg(number, size=(96, 72)) for number in range(3)})


def fails(capsys, *arguments) -> str:
    """Run a command that must fail in one line; returns the line."""
    assert main([str(one) for one in arguments]) == 1
    told: str = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    return told


def refused(path) -> list[tuple[str, str]]:
    return [(one["id"], one["code"]) for one in map(json.loads, path.read_text().splitlines())]


def test_lists_come_from_spreadsheets_and_gzipped(tmp_path):
    (tmp_path / "marked.csv").write_bytes(b'\xef\xbb\xbfa.jpg, 1\r\n\r\n ,\r\n"b,c.jpg",2\r\n')
    assert list(read_rows(tmp_path / "marked.csv")) == [["a.jpg", "1"], ["b,c.jpg", "2"]]
    with gzip.open(tmp_path / "ids.txt.gz", "wt") as file:
        file.write("00000.tar/1\n")
    assert list(read_rows(tmp_path / "ids.txt.gz")) == [["00000.tar/1"]]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("latin.csv", b"caf\xe9.jpg\n", "UTF-8"),
        ("broken.gz", gzip.compress(b"a,1\n" * 900)[:25], "cannot be read"),
        ("none.csv", None, "No such file"),
    ],
)
def test_lists_that_are_none_are_told(pictures, tmp_path, capsys, name, data, told):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InterchangeError, match=told):
        list(read_rows(tmp_path / name))
    assert told in fails(capsys, "extract", pictures, tmp_path / "out", "--selected-ids", tmp_path / name)
    options = ["--labels", tmp_path / name, "--out", tmp_path / "layer.safetensors"]
    write(tmp_path / "f.hdf5", ["a"], vectors(1))
    assert told in fails(capsys, "adapt", "--features", tmp_path / "f.hdf5", *options)


def test_selected_ids_that_their_tar_lacks_are_told(tar, tmp_path):
    (tmp_path / "ids.csv").write_text("00000.tar/1\n00000.tar/2.jpg\n00007.tar/5\n8\n")
    assert extract(tar, tmp_path / "out", "--selected-ids", tmp_path / "ids.csv", "--strict") == 3
    assert feature_files.read_features(tmp_path / "out" / "features_00000.hdf5")[0] == ["00000.tar/1"]
    assert refused(tmp_path / "out" / "features_00000.errors.jsonl") == [("00000.tar/2.jpg", "missing")]


def test_selected_pictures_may_be_spelled_as_in_files_of_features(pictures, tmp_path, capsys):
    (tmp_path / "ids.csv").write_text("k#U00f6y.jpg,1\na.jpg,2\n")
    assert extract(pictures, tmp_path / "out", "--selected-ids", tmp_path / "ids.csv") == 0
    assert feature_files.read_features(tmp_path / "out" / "features.hdf5")[0] == ["k#U00f6y.jpg", "a.jpg"]
    (tmp_path / "ids.csv").write_text("c.jpg\n")
    assert "no file c.jpg" in fails(capsys, "extract", pictures, tmp_path / "o", "--selected-ids", tmp_path / "ids.csv")


def test_texts_may_be_selected(tmp_path):
    from photos.vision.bulk.planning import Input, plan
    from photos.vision.bulk.recipe import Recipe

    for name in ("T1.txt", "T2.txt"):
        (tmp_path / name).write_text("a tower")
    (tmp_path / "ids.csv").write_text("T2.txt\n")
    asked = Input(tmp_path, partition="text_queries", selected_ids=tmp_path / "ids.csv")
    (job,) = plan(asked, tmp_path / "out", Recipe("open_clip"))
    assert [one.id for one in job.listing().entries] == ["T2.txt"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--format", "hdf5", "--start-tar", "10"], "no place of tars; leave --start-tar"),
        (["--format", "hdf5", "--total-tars", "3"], "no place of tars; leave --start-tar"),
        (["--resolution", "384"], "leave --resolution out"),
        (["--format", "json", "--resolution", "384"], "--resolution is for files of features"),
        (["--format", "json", "--engine", "ray"], "--engine is for files of features"),
        (["--framework", "classical", "--segmenter", "regions"], "--segmenter is for files of JSON"),
    ],
)
def test_options_that_would_do_nothing_are_refused(pictures, tmp_path, capsys, options, told):
    assert told in fails(capsys, "extract", pictures, tmp_path / "out", *options)


def test_an_option_of_files_of_features_asks_for_them(pictures, tmp_path):
    assert extract(pictures, tmp_path / "out", "--scales", "0.7", "1") == 0
    assert (tmp_path / "out" / "features.hdf5").exists()


@pytest.mark.parametrize("command", ["extract", "masks"])
def test_an_empty_folder_is_told(tmp_path, capsys, command):
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in fails(capsys, command, tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_first_try_that_described_nothing_binds_nobody(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    wrong = ["--framework", "timm", "--model", "vit_tiny_patch16_224"]
    assert "--fetch" in fails(capsys, "extract", pictures, tmp_path / "out", *wrong)
    (tmp_path / "out" / "features.hdf5.part" / "refused.jsonl").write_text('["x", "gone", "missing"]\n')
    assert extract(pictures, tmp_path / "out", "--format", "hdf5") == 0
    assert set(files(tmp_path / "out")) == {"features.hdf5", "features.json"}


def test_other_settings_are_told_by_what_differs(pictures, tmp_path, capsys):
    assert extract(pictures, tmp_path / "out", "--format", "hdf5") == 0
    told = fails(capsys, "extract", pictures, tmp_path / "out", "--format", "hdf5", "--max-side", 50)
    assert "was made with recipe max_side 1600, not 50; name another folder" in told
    (tmp_path / "out" / "features.json").write_text("half of")
    assert "does not tell how" in fails(capsys, "extract", pictures, tmp_path / "out", "--format", "hdf5")


def test_rows_of_one_id_are_refused(tmp_path, capsys):
    write(tmp_path / "a.hdf5", ["a", "b"], vectors(2))
    write(tmp_path / "b.hdf5", ["c", "a"], vectors(2))
    told = fails(capsys, "convert", tmp_path / "a.hdf5", tmp_path / "b.hdf5", tmp_path / "both.parquet")
    assert told.startswith("a comes more than once")
    assert not (tmp_path / "both.parquet").exists()


def make_hdf5(path, index, features):
    with h5py.File(path, "w") as file:
        for name, data in (("index", index), ("features", features)):
            if data is None:
                file.create_group(name)
            else:
                file.create_dataset(name, data=data)


def test_ids_of_others_may_be_in_utf_8(tmp_path):
    make_hdf5(tmp_path / "f.hdf5", ["köy.jpg", "b"], vectors(2))
    assert feature_files.read_features(tmp_path / "f.hdf5")[0] == ["köy.jpg", "b"]
    assert unescape_id("k\\x") == "k\\x"
    assert unescape_id("köy\\x41") == "köy\\x41"


@pytest.mark.parametrize(
    ("index", "features", "told"),
    [
        (None, None, "groups, not datasets"),
        ([b"\xff\xfe"], vectors(1), "neither ASCII nor UTF-8"),
        ([["a"]], vectors(1), r"an index of shape \(1, 1\)"),
        (["a"], np.array([["x", "y"]], dtype="S1"), "no numbers"),
        (["a"], vectors(2), r"features of shape \(2, 8\)"),
    ],
)
def test_hdf5_of_another_form_is_told(tmp_path, index, features, told):
    make_hdf5(tmp_path / "f.hdf5", index, features)
    with pytest.raises(InterchangeError, match=told):
        feature_files.read_features(tmp_path / "f.hdf5")


def test_hdf5_that_was_cut_off_is_told_by_its_name(tmp_path):
    write(tmp_path / "whole.hdf5", ["a"], vectors(1))
    (tmp_path / "cut.hdf5").write_bytes((tmp_path / "whole.hdf5").read_bytes()[:1500])
    with pytest.raises(InterchangeError, match=r"cut\.hdf5 is broken: .*truncated"):
        feature_files.read_features(tmp_path / "cut.hdf5")


def test_text_is_no_file_of_torch(tmp_path):
    (tmp_path / "labels.csv").write_text("train/0.jpg,0,0\ntrain/1.jpg,0,0\n")
    shutil.copy(tmp_path / "labels.csv", tmp_path / "anns.pt")
    with pytest.raises(InterchangeError, match="is broken"):
        read_anns(tmp_path / "anns.pt")
    with pytest.raises(WeightsCorruptError, match="no file of plain weights"):
        load_state(tmp_path / "labels.csv")


def test_too_few_rows_to_train_an_index_are_told(tmp_path):
    write(tmp_path / "a.hdf5", list("abc"), vectors(3))
    with pytest.raises(InterchangeError, match="cannot train 'IVF64,Flat' on 3 rows: Number of training points"):
        export_index([tmp_path / "a.hdf5"], tmp_path / "i.faiss", factory="IVF64,Flat")


def test_labels_are_known_whatever_their_letters(tmp_path, capsys):
    names = [f"köy/{number}.jpg" for number in range(12)]
    write(tmp_path / "f.hdf5", names, vectors(12))
    (tmp_path / "labels.csv").write_text("".join(f"{name},{place // 3}\n" for place, name in enumerate(names)))
    options = ["--out", str(tmp_path / "layer.safetensors"), "--epochs", "1", "--dimensions", "4"]
    labels = ["--labels", str(tmp_path / "labels.csv")]
    assert main(["adapt", "--features", str(tmp_path / "f.hdf5"), *labels, *options]) == 0
    assert "12 rows of 4 classes" in capsys.readouterr().out
