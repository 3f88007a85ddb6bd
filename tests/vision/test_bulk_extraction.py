"""Any number of pictures into files of features: what goes in, what comes out, and being killed on the way."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from photos.vision import registry
from photos.vision.__main__ import main
from photos.vision.bulk.jobs import run_jobs
from photos.vision.bulk.local_engine import LocalEngine
from photos.vision.bulk.local_files import iterate_local_features
from photos.vision.bulk.planning import Input, plan
from photos.vision.bulk.recipe import Recipe
from photos.vision.bulk.sources import find_tars, list_tars, read_ids
from photos.vision.bulk.stage import cut_windows
from photos.vision.errors import VisionError
from photos.vision.images import read_image
from photos.vision.interchange.feature_files import read_features
from tests.photos.pictures import blank_jpeg, jpeg
from tests.vision.checkpoints import write_small_clip

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(160, 120), (120, 160), (150, 150)]


def write_tar(path: Path, pictures: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in pictures.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def tars(tmp_path):
    """Three tars of six pictures each, of three sizes; in the second one is blank and one is cut short."""
    folder = tmp_path / "tars"
    for number in range(3):
        pictures = {f"{number}{index:03}.jpg": jpeg(10 * number + index, size=SIZES[index % 3]) for index in range(6)}
        if number == 1:
            pictures["1002.jpg"], pictures["1003.jpg"] = blank_jpeg(), pictures["1003.jpg"][:700]
            pictures |= {"1000.json": b"{}", "1000.txt": b"a tower"}
        write_tar(folder / f"{number:05}.tar", pictures)
    return folder


def extract(*arguments) -> int:
    return main(["extract", *map(str, arguments)])


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_it_works_with_tars(tars, tmp_path, capsys):
    out = tmp_path / "out"
    assert extract(tars, out, "--tars-per-file", 2) == 0
    assert set(files(out)) == {
        *("features_00000.hdf5", "features_00000.json", "features_00000.errors.jsonl"),
        *("features_00001.hdf5", "features_00001.json"),
    }
    with h5py.File(out / "features_00000.hdf5") as file:
        ids = [one.decode() for one in file["index"]]
        assert file["features"].dtype == np.float16
        rows = file["features"][:]
    assert ids[:2] == ["00000.tar/0000", "00000.tar/0001"]
    assert len(ids) == 10
    pixels = read_image(jpeg(11, size=SIZES[1]), max_side=1600).pixels
    (expected,) = registry.get_encoder("classical-512").encode([pixels])
    assert expected is not None
    assert np.array_equal(rows[ids.index("00001.tar/1001")], expected.astype(np.float16))
    errors = [json.loads(line) for line in (out / "features_00000.errors.jsonl").read_text().splitlines()]
    assert [(one["id"], one["code"]) for one in errors] == [("00001.tar/1002", "blank"), ("00001.tar/1003", "broken")]
    facts = json.loads((out / "features_00000.json").read_text())
    assert (facts["rows"], facts["refused"], facts["dimensions"]) == (10, 2, 512)
    assert "16 described" in capsys.readouterr().out
    before = files(out)
    assert extract(tars, out, "--tars-per-file", 2, "--strict") == 3
    assert files(out) == before
    assert "there already" in capsys.readouterr().out


def test_some_tars_have_the_numbers_that_all_would_have(tars, tmp_path):
    out = tmp_path / "out"
    options = ("--partition", "distractors", "--tars-per-file", 1, "--format", "parquet", "--dtype", "float32")
    assert extract(tars, out, *options, "--start-tar", 2, "--total-tars", 1) == 0
    ids, rows = read_features(out / "features_distractors_00002.parquet")
    assert ids == [f"00002.tar/2{index:03}" for index in range(6)]
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_selected_ids_of_tars_with_and_without_their_tar(tars, tmp_path):
    (tmp_path / "ids.txt").write_text("0004,1,2\n\n00002.tar/2001,x\nelsewhere\n")
    assert read_ids(tmp_path / "ids.txt") == ["0004", "00002.tar/2001", "elsewhere"]
    assert extract(tars, tmp_path / "out", "--selected-ids", tmp_path / "ids.txt") == 0
    assert read_features(tmp_path / "out" / "features_00000.hdf5")[0] == ["00000.tar/0004", "00002.tar/2001"]


def test_it_tells_how_many_selected_ids_are_not_there(tars, tmp_path, capsys):
    (tmp_path / "ids.txt").write_text("2004\nelsewhere\n00000.tar/gone\n")
    options = ("--selected-ids", tmp_path / "ids.txt", "--tars-per-file", 1)
    assert extract(tars, tmp_path / "out", *options) == 0
    assert read_features(tmp_path / "out" / "features_00002.hdf5")[0] == ["00002.tar/2004"]
    assert "2 of 3 selected ids are not in these tars" in capsys.readouterr().out
    assert extract(tars, tmp_path / "out", *options) == 0
    assert "selected ids" not in capsys.readouterr().out  # the tars were not read again


def test_it_rejects_selected_ids_of_which_none_is_there(tars, tmp_path, capsys):
    (tmp_path / "ids.txt").write_text("0004.jpg\n00002/2001\n")
    assert extract(tars, tmp_path / "out", "--selected-ids", tmp_path / "ids.txt", "--tars-per-file", 1) == 1
    told = capsys.readouterr().err
    assert "none of the 2 selected ids, as 00002/2001, is in these tars; an id is written as 00000.tar/0000" in told
    assert not list((tmp_path / "out").glob("*.hdf5"))


def test_a_machines_share_of_the_tars_may_hold_none_of_the_selected(tars, tmp_path):
    (tmp_path / "ids.txt").write_text("00002.tar/2001\n")
    options = ("--selected-ids", tmp_path / "ids.txt", "--tars-per-file", 1, "--total-tars", 1)
    assert extract(tars, tmp_path / "out", *options) == 0
    assert read_features(tmp_path / "out" / "features_00000.hdf5")[0] == []
    assert extract(tars, tmp_path / "out", *options, "--start-tar", 2) == 0
    assert read_features(tmp_path / "out" / "features_00002.hdf5")[0] == ["00002.tar/2001"]


@pytest.fixture
def ilias(tmp_path):
    """The layout of ILIAS's core: one thing, its queries, positives and description."""
    folder = tmp_path / "ilias" / "fizzy_flop_001"
    for kind, name in (("query", "Q001_00"), ("query", "Q001_01"), ("pos", "P001_00"), ("pos", "köy_é")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / kind / f"{name}.jpg").write_bytes(jpeg(len(name) + len(kind), size=(96, 64)))
    (folder / "text").mkdir()
    (folder / "text" / "T001_00.txt").write_text("a red tower of three storeys")
    return folder.parent


def test_partitions_of_ilias(ilias, tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    write_small_clip(tmp_path / "models" / "ViT-B-32.pt")
    out = tmp_path / "out"
    options = ("--framework", "open_clip", "--resolution", 64, "--batch", 2)
    for partition in ("image_queries", "positives", "text_queries"):
        assert extract(ilias, out, "--partition", partition, *options) == 0
    assert {path.name for path in out.glob("*.hdf5")} == {
        "features_image_queries.hdf5",
        "features_positives.hdf5",
        "features_text_queries.hdf5",
    }
    queries = read_features(out / "features_image_queries.hdf5")
    assert queries[0] == ["fizzy_flop_001/query/Q001_00.jpg", "fizzy_flop_001/query/Q001_01.jpg"]
    positives = read_features(out / "features_positives.hdf5")
    assert positives[0] == ["fizzy_flop_001/pos/P001_00.jpg", "fizzy_flop_001/pos/k#U00f6y_#U00e9.jpg"]
    texts = read_features(out / "features_text_queries.hdf5")
    assert (texts[0], texts[1].shape) == (["fizzy_flop_001/text/T001_00.txt"], (1, 512))


def test_selected_pictures_of_a_folder_keep_their_order(ilias, tmp_path):
    wanted = ["fizzy_flop_001/query/Q001_01.jpg", "fizzy_flop_001/pos/P001_00.jpg", "../tars", "gone.jpg"]
    (tmp_path / "ids.csv").write_text("\n".join(f"{one},7" for one in wanted))
    assert extract(ilias, tmp_path / "out", "--selected-ids", tmp_path / "ids.csv") == 0
    assert read_features(tmp_path / "out" / "features.hdf5")[0] == wanted[:2]
    errors = (tmp_path / "out" / "features.errors.jsonl").read_text()
    assert errors.count('"missing"') == 2


def test_local_descriptors(ilias, tmp_path):
    assert extract(ilias, tmp_path / "out", "--local", "--format", "hdf5", "--limit", 2) == 0
    found = dict(iterate_local_features(tmp_path / "out" / "features.hdf5"))
    assert list(found) == ["fizzy_flop_001/pos/P001_00.jpg", "fizzy_flop_001/pos/k#U00f6y_#U00e9.jpg"]
    for one in found.values():
        assert one.vectors.shape == (len(one.places), 128)
        assert len(one.places) > 10
        assert ((one.places >= 0) & (one.places <= 1)).all()
        assert np.allclose(np.linalg.norm(one.vectors, axis=1), 1, atol=0.02)  # 8 bits a number


class Cut(Exception):  # noqa: N818 - what happens to a run in these tests
    """A run was stopped in its middle."""


class CuttingEngine:
    """The local engine, until it has described so many batches."""

    round_pictures = 1

    def __init__(self, recipe: Recipe, batches: int) -> None:
        self._engine, self._batches = LocalEngine(recipe), batches

    def describe(self, windows):
        for number, described in enumerate(self._engine.describe(windows)):
            if number == self._batches:
                raise Cut
            yield described

    def close(self) -> None:
        self._engine.close()


@pytest.mark.parametrize("kind", ["global", "local"])
def test_cut_at_any_batch_it_gives_the_same_bytes(tars, tmp_path, kind):
    recipe = Recipe(descriptors=kind, batch=2, window=5)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_jobs(plan(Input(tars), whole, recipe), recipe, LocalEngine(recipe))
    for batches in (1, 3, 2):
        with pytest.raises(Cut):
            run_jobs(plan(Input(tars), cut, recipe), recipe, CuttingEngine(recipe, batches))
    tally = run_jobs(plan(Input(tars), cut, recipe), recipe, LocalEngine(recipe))
    assert tally.before >= 4
    assert tally.described + tally.before == 18 - tally.refused
    assert files(cut) == files(whole)


def test_killed_while_it_makes_the_file_it_leaves_nothing_behind(tars, tmp_path):
    recipe = Recipe()
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run_jobs(plan(Input(tars), whole, recipe), recipe, LocalEngine(recipe))
    cut.mkdir()
    for name in (".1a2b3c4d.features_00000.hdf5", ".1a2b3c4d.features_00000.json"):
        (cut / name).write_bytes(b"half of it")
    run_jobs(plan(Input(tars), cut, recipe), recipe, LocalEngine(recipe))
    assert files(cut) == files(whole)


def test_batches_are_the_same_when_a_window_is_taken_up_again(tars, tmp_path, monkeypatch):
    """A network's vectors may depend on the batch in their last bits: which share one must not change."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "models"))
    write_small_clip(tmp_path / "models" / "ViT-B-32.pt")
    from photos.vision.bulk.resizing import Resizing

    recipe = Recipe("open_clip", resizing=Resizing("resize_large", 64), batch=2, window=9)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    jobs = plan(Input(tars), whole, recipe, dtype="float32")
    run_jobs(jobs, recipe, LocalEngine(recipe), dtype="float32")
    jobs = plan(Input(tars), cut, recipe, dtype="float32")
    for batches in (2, 3):
        with pytest.raises(Cut):
            run_jobs(jobs, recipe, CuttingEngine(recipe, batches), dtype="float32")
    run_jobs(jobs, recipe, LocalEngine(recipe), dtype="float32")
    assert files(cut) == files(whole)


@pytest.mark.slow
def test_killed_twice_it_gives_the_same_bytes(tmp_path):
    pictures = {f"{index:04}.jpg": jpeg(index, size=(480, 360)) for index in range(40)}
    tar = write_tar(tmp_path / "00000.tar", pictures)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert extract(tar, whole, "--batch", 2, "--window", 8) == 0
    command = [sys.executable, "-m", "photos.vision", "extract", str(tar), str(killed), "--batch", "2", "--window", "8"]
    for least in (4, 12):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rows = killed / "features_00000.hdf5.part" / "ids.jsonl"
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            if rows.exists() and rows.read_bytes().count(b"\n") >= least:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (killed / "features_00000.hdf5").exists()
    assert extract(tar, killed, "--batch", 2, "--window", 8) == 0
    assert files(killed) == files(whole)


def test_windows_keep_their_places(tars):
    entries = list_tars(find_tars(tars)).entries
    whole = list(cut_windows(entries, 5, done=set()))
    assert [len(one.entries) for one in whole] == [5, 5, 5, 3]
    left = list(cut_windows(entries, 5, done={entries[0].id, *(one.id for one in entries[5:10])}))
    assert [one.number for one in left] == [0, 2, 3]
    assert list(left[0].entries) == entries[1:5]


def test_a_broken_tar_gives_what_it_has(tmp_path):
    tar = write_tar(tmp_path / "00000.tar", {f"{index}.jpg": jpeg(index, size=(96, 64)) for index in range(4)})
    with tar.open("r+b") as file:
        file.truncate(tar.stat().st_size // 2)
    listing = list_tars(find_tars(tar))
    assert 1 <= len(listing.entries) <= 3
    assert [(one[0], one[2]) for one in listing.refused] == [("00000.tar", "broken-tar")]
    assert extract(tar, tmp_path / "out") == 0
    assert read_features(tmp_path / "out" / "features_00000.hdf5")[0] == [one.id for one in listing.entries]


def test_two_pictures_of_one_key_are_told(tmp_path):
    tar = write_tar(
        tmp_path / "0.tar", {"a.jpg": jpeg(1), "a.png": jpeg(2), "b/a.seg.jpg": jpeg(3), "b/a.jpg": jpeg(4)}
    )
    listing = list_tars(find_tars(tar))
    assert [one.id for one in listing.entries] == ["0.tar/a", "0.tar/b/a"]
    assert [(one[0], one[2]) for one in listing.refused] == [("0.tar/a.png", "twice"), ("0.tar/b/a.seg.jpg", "dots")]
    assert extract(tar, tmp_path / "out") == 0
    assert read_features(tmp_path / "out" / "features_00000.hdf5")[0] == ["0.tar/a", "0.tar/b/a"]


def test_a_picture_with_a_dot_in_its_key_is_told(tmp_path):
    tar = write_tar(tmp_path / "0.tar", {"./IMG.2020.jpg": jpeg(1), "a.jpg": jpeg(2), "a.seg.txt": b"sea"})
    assert extract(tar, tmp_path / "out") == 0
    assert read_features(tmp_path / "out" / "features_00000.hdf5")[0] == ["0.tar/a"]
    (line,) = (tmp_path / "out" / "features_00000.errors.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["id"], told["code"]) == ("0.tar/IMG.2020.jpg", "dots")
    assert "a key ends at the first dot" in told["error"]


def test_it_rejects_a_folder_of_tars_and_pictures(tars, tmp_path, capsys):
    (tars / "stray.jpg").write_bytes(jpeg(1))
    assert extract(tars, tmp_path / "out") == 1
    assert "holds tars, as 0000" in (told := capsys.readouterr().err)
    assert "and pictures, as stray.jpg" in told
    assert extract(tars, tmp_path / "out", "--format", "json") == 0
    assert extract(tars, tmp_path / "tars-alone", "--partition", "distractors") == 0
    assert [path.name for path in (tmp_path / "tars-alone").glob("*.hdf5")] == ["features_distractors_00000.hdf5"]


def test_one_writer_at_a_time(tars, tmp_path):
    recipe = Recipe()
    jobs = plan(Input(tars), tmp_path / "out", recipe)
    from photos.vision.bulk.shards import Shard

    with (
        Shard(jobs[0].path, jobs[0].asked, dtype="float16"),
        pytest.raises(VisionError, match="is being written by another process"),
    ):
        run_jobs(jobs, recipe, LocalEngine(recipe))


def test_files_of_both_formats_keep_what_they_were_made_with(tars, tmp_path, capsys):
    out = tmp_path / "out"
    for kind, limit in (("hdf5", 9), ("parquet", 3)):
        assert extract(tars / "00001.tar", out, "--format", kind, "--limit", limit) == 0
    assert set(files(out)) == {
        *("features_00000.hdf5", "features_00000.json", "features_00000.errors.jsonl"),
        *("features_00000.parquet", "features_00000.parquet.json", "features_00000.parquet.errors.jsonl"),
    }
    made = [json.loads((out / name).read_text()) for name in ("features_00000.json", "features_00000.parquet.json")]
    assert [(one["limit"], one["rows"], one["refused"]) for one in made] == [(9, 4, 2), (3, 2, 1)]
    for kind, limit in (("hdf5", 9), ("parquet", 3)):
        assert extract(tars / "00001.tar", out, "--format", kind, "--limit", limit) == 0
    assert extract(tars / "00001.tar", out, "--format", "parquet", "--limit", 9) == 1
    assert "features_00000.parquet was made with limit 3, not 9" in capsys.readouterr().err


def test_other_settings_need_another_folder(tars, tmp_path, capsys):
    assert extract(tars, tmp_path / "out") == 0
    assert extract(tars, tmp_path / "out", "--scales", 1, 0.7) == 1
    assert "was made with recipe" in capsys.readouterr().err
    recipe = Recipe(batch=2)
    jobs = plan(Input(tars), tmp_path / "new", recipe)
    with pytest.raises(Cut):
        run_jobs(jobs, recipe, CuttingEngine(recipe, 2))
    assert extract(tars, tmp_path / "new") == 1
    assert "was made with recipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--resolution", "384"], "leave --resolution out"),
        (["--framework", "timm", "--scales", "9"], "scales must be between"),
        (["--framework", "timm", "--model", "vit_tiny_patch16_224"], "--fetch"),
        (["--framework", "timm", "--partition", "text_queries"], "nothing to describe"),
        (["--start-tar", "5"], "must be a multiple of the 10 tars of one file"),
        (["--start-tar", "10"], "has 3 tars, none from number 10"),
        (["--partition", "positives"], '"pos" in their paths'),
        (["--selected-ids", "none.txt"], "none.txt"),
        (["--local", "--format", "parquet"], "kept as .hdf5"),
        (["--compute", "openvino", "--framework", "timm"], "weights"),
    ],
)
def test_it_rejects_what_cannot_be(tars, tmp_path, monkeypatch, capsys, options, told):
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "none"))
    assert extract(tars, tmp_path / "out", *options) == 1
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


def test_settings_may_come_from_a_file(tars, tmp_path):
    (tmp_path / "run.toml").write_text('framework = "classical"\nlimit = 2\nscales = [1.0, 0.7]\nbatch = 2\n')
    assert extract(tars, tmp_path / "out", "--config", tmp_path / "run.toml") == 0
    facts = json.loads((tmp_path / "out" / "features_00000.json").read_text())
    assert (facts["rows"], facts["recipe"]["scales"], facts["recipe"]["batch"]) == (2, [1.0, 0.7], 2)


def test_every_option_may_come_from_a_file(tars, tmp_path):
    (tmp_path / "ids.txt").write_text("1000\n2004\n2005\n")
    lines = [f'selected-ids = "{tmp_path / "ids.txt"}"', "multiscale = true", 'batch = "2"', "strict = false"]
    lines += ["start_tar = 1", "total_tars = 2", "tars_per_file = 1", 'dinov2_lora_weights = "none.safetensors"']
    (tmp_path / "run.toml").write_text("\n".join(lines))
    assert extract(tars, tmp_path / "out", "--config", tmp_path / "run.toml") == 0
    assert read_features(tmp_path / "out" / "features_00001.hdf5")[0] == ["00001.tar/1000"]
    assert read_features(tmp_path / "out" / "features_00002.hdf5")[0] == ["00002.tar/2004", "00002.tar/2005"]
    recipe = json.loads((tmp_path / "out" / "features_00001.json").read_text())["recipe"]
    assert (recipe["scales"], recipe["batch"]) == ([0.707, 1.0, 1.414], 2)


def test_the_command_line_wins_over_the_file(tars, tmp_path):
    (tmp_path / "run.toml").write_text("start_tar = 2\ntars_per_file = 1\ntotal_tars = 1\nscales = 0.7\nlimit = 1\n")
    options = ("--start-tar", 0, "--limit", 3, "--config", tmp_path / "run.toml")
    assert extract(tars, tmp_path / "out", *options) == 0
    facts = json.loads((tmp_path / "out" / "features_00000.json").read_text())
    assert (list(facts["input"]), facts["rows"], facts["recipe"]["scales"]) == (["00000.tar"], 3, [0.7])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('resolution = "large"', "run.toml: argument --resolution: invalid int value: 'large'"),
        ("resolution = [1, 2]", "run.toml: unrecognized arguments: 2"),
        ('scales = ["--local"]', "scales = ['--local'] is of the wrong kind"),
        ("multiscale = 1", "multiscale = 1 is of the wrong kind; use true or false"),
        ('format = "csv"', "argument --format: invalid choice: 'csv'"),
        ("model = 1979-05-27", "is of the wrong kind"),
        ("frame_work = 1", "unknown settings frame_work; known: "),
    ],
)
def test_it_rejects_what_cannot_be_in_a_file(tars, tmp_path, capsys, content, told):
    (tmp_path / "run.toml").write_text(content)
    assert extract(tars, tmp_path / "out", "--config", tmp_path / "run.toml") == 1
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1
