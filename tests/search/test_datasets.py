"""Data sets of instance retrieval, read from tiny folders in their real layouts."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from photos.vision.interchange.soir_files import Annotation, write_anns
from photos.vision.types import Box
from search.evaluation import metrics
from search.evaluation.__main__ import main
from search.evaluation.datasets.crops import write_crops
from search.evaluation.datasets.names import translate
from search.evaluation.datasets.registry import evaluate_dataset, read_dataset
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Dataset, Query, rank
from tests.search.ilias_files import make_ilias


def make_instre(folder):
    """As MATLAB wrote it: cells of names, and a struct array with `ok`, counted from 1, and `bbx`."""
    images = ["INSTRE-S1/01a_book/001.jpg", "INSTRE-S1/01a_book/002.jpg", "INSTRE-M/01/001.jpg"]
    queries = ["INSTRE-S1/01a_book/013.jpg", "INSTRE-S2/02_cup/001.jpg"]
    truth = np.empty((1, 2), dtype=[("ok", object), ("bbx", object)])
    truth[0, 0] = (np.array([[1, 2]]), np.array([[10.4, 20.0, 30.0, 40.0]]))
    truth[0, 1] = (np.array([[3]]), np.array([[1.0, 2.0, 3.0, 4.0]]))
    cells = {"imlist": np.array([images], object), "qimlist": np.array([queries], object), "gnd": truth}
    savemat(folder / "gnd_instre.mat", cells)


def make_revisited(folder, name="roxford5k"):
    truth = {
        "imlist": ["all_souls_000013", "all_souls_000026", "oxford_002985", "radcliffe_000001"],
        "qimlist": ["all_souls_000051"],
        "gnd": [{"bbx": [136.5, 34.1, 648.5, 955.7], "easy": np.array([0]), "hard": [1], "junk": np.array([2])}],
    }
    (folder / name).mkdir()
    (folder / name / f"gnd_{name}.pkl").write_bytes(pickle.dumps(truth, protocol=2))


def make_google_landmarks(folder):
    rows = "id,images,Usage\n00af,0123 4567,Private\n11bb,89ab,Public\n22cc,None,Ignored\n"
    (folder / "test").mkdir()
    (folder / "test" / "retrieval_solution_v2.1.csv").write_text(rows)
    (folder / "metadata").mkdir()
    (folder / "metadata" / "index.csv").write_text("id,url\n0123,a\n4567,b\n89ab,c\n")


def make_voxdet(folder):
    anns = {
        "/elsewhere/VoxDet/OWID/P1/3/rgb/0.png": Annotation(True, (3,), ((1, 2, 4, 6),), subset="OWID"),
        "/elsewhere/VoxDet/OWID/P2/images/7.png": Annotation(False, (3, 4), subset="OWID"),
        "RoboTools/test/1.png": Annotation(False, (3,), subset="RoboTools"),
    }
    write_anns(folder / "anns.pt", anns)


def test_instre(tmp_path):
    make_instre(tmp_path)
    data = read_dataset("instre", tmp_path)
    first, second = data.queries
    assert data.gallery[2] == "INSTRE-M/01/001.jpg"
    assert (first.relevant, second.relevant) == (frozenset(data.gallery[:2]), frozenset(data.gallery[2:]))
    assert (first.boxes, first.instance) == ((Box(10, 20, 30, 40),), "INSTRE-S1/01a_book")
    assert first.groups == {"set": "INSTRE-S1"}
    assert data.locate_query(first.id) == tmp_path / "INSTRE-S1" / "01a_book" / "013.jpg"


@pytest.mark.parametrize(
    ("protocol", "relevant", "junk"),
    [("easy", "0", "12"), ("medium", "01", "2"), ("hard", "1", "02"), ("", "01", "2")],
)
def test_revisited_oxford(tmp_path, protocol, relevant, junk):
    make_revisited(tmp_path)
    data = read_dataset("roxford5k", tmp_path, subset=protocol)
    (query,) = data.queries
    assert query.relevant == {data.gallery[int(place)] for place in relevant}
    assert query.junk == {data.gallery[int(place)] for place in junk}
    assert query.boxes == (Box(136, 34, 512, 922),)
    assert data.locate_query(query.id) == tmp_path / "roxford5k" / "jpg" / "all_souls_000051.jpg"


def test_revisited_oxford_has_its_own_measures(tmp_path):
    make_revisited(tmp_path)
    data = read_dataset("roxford5k", tmp_path)
    ranking = rank(dict(zip([data.gallery[place] for place in (2, 3, 0, 1)], (0.9, 0.8, 0.7, 0.6), strict=True)))
    means = evaluate_dataset("roxford5k", data, {"all_souls_000051": ranking}, ks=(1, 10)).means
    assert means["mAP by trapezes"] == pytest.approx(((0 + 1 / 2) / 2 + (1 / 2 + 2 / 3) / 2) / 2)
    assert means["mP@1"] == 0.0
    assert means["mP@10"] == pytest.approx(2 / 3)
    assert means["mAP"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_precision_of_revisited_oxford_does_not_end_before_all_are_found():
    assert metrics.revisited_precision_at_k([True, False], 10, total=2) == 1 / 10
    assert metrics.revisited_precision_at_k([True, True, False], 10, total=2) == 1.0


@pytest.mark.parametrize(("usage", "names"), [("", ["00af", "11bb"]), ("private", ["00af"]), ("public", ["11bb"])])
def test_google_landmarks(tmp_path, usage, names):
    make_google_landmarks(tmp_path)
    data = read_dataset("google-landmarks", tmp_path, subset=usage)
    assert [query.id for query in data.queries] == names
    assert data.gallery == ("0123", "4567", "89ab")
    assert data.locate_gallery("0123") == tmp_path / "index" / "0" / "1" / "2" / "0123.jpg"
    assert data.locate_query("00af") == tmp_path / "test" / "0" / "0" / "a" / "00af.jpg"
    if usage != "public":
        assert data.queries[0].relevant == {"0123", "4567"}


@pytest.mark.parametrize("cut", ["d", "d,e", "d,e f,Priv"])
def test_google_landmarks_cut_off_in_a_line_are_told(tmp_path, cut):
    make_google_landmarks(tmp_path)
    path = tmp_path / "test" / "retrieval_solution_v2.1.csv"
    path.write_text(f"{path.read_text()}{cut}")
    told = rf"{path}: expected id, images and Private, Public or Ignored, got '{cut}'"
    with pytest.raises(EvaluationError, match=told):
        read_dataset("google-landmarks", tmp_path)


def test_voxdet_soir(tmp_path):
    make_voxdet(tmp_path)
    data = read_dataset("voxdet-soir", tmp_path)
    (query,) = data.queries
    assert query.relevant == set(data.gallery)
    assert data.locate_query(query.id) == tmp_path / "OWID" / "P1" / "3" / "rgb" / "0.png"
    assert data.locate_gallery("RoboTools/test/1.png") == tmp_path / "RoboTools" / "test" / "1.png"
    assert read_dataset("voxdet-soir", tmp_path, subset="OWID").gallery == data.gallery[:1]


def test_ilias(tmp_path):
    data = read_dataset("ilias", make_ilias(tmp_path))
    assert (len(data.queries), len(data.gallery)) == (9, 9)
    query = data.queries[0]
    assert (query.boxes, query.groups["category"]) == ((Box(5, 6, 70, 80),), "product")
    assert len(query.relevant) == 3
    assert data.locate_query(query.id) == tmp_path / "ilias_core" / "merry_cup_001" / "query" / "Q001_00.jpg"
    assert len(read_dataset("ilias", tmp_path, subset="distractors").gallery) == 39


def test_boxes_beside_a_query_of_ilias_are_cut_out_together(tmp_path):
    """As its own crop does: around all boxes in `Q..._bbox.txt`, whatever one the list has."""
    make_ilias(tmp_path)
    query = read_dataset("ilias", tmp_path).queries[0]
    draw(tmp_path / "ilias_core" / query.id, inner=(20, 30, 50, 40))
    beside = (tmp_path / "ilias_core" / query.id).with_name("Q001_00_bbox.txt")
    beside.write_text("20 30 10 10\n60 50 10 20\n")
    data = read_dataset("ilias", tmp_path)
    assert data.queries[0].boxes == (Box(20, 30, 10, 10), Box(60, 50, 10, 20))
    assert data.queries[1].boxes == (Box(5, 6, 70, 80),)
    assert write_crops(replace(data, queries=data.queries[:1]), tmp_path / "crops") == 1
    with Image.open(tmp_path / "crops" / "Q001_00.jpg") as found:
        assert found.size == (50, 40)
    beside.write_text("20 30 10\n")
    with pytest.raises(EvaluationError, match=r"Q001_00_bbox\.txt: expected a box x y width height, got '20 30 10'"):
        read_dataset("ilias", tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("instre", "INSTRE is not here: expected its ground truth at {}/gnd_instre.mat"),
        ("roxford5k", "roxford5k is not here: expected its ground truth at {}/gnd_roxford5k.pkl or {}/roxford5k/"),
        ("rparis6k", "rparis6k is not here: expected its ground truth at {}/gnd_rparis6k.pkl"),
        ("google-landmarks", "Google Landmarks v2 is not here: expected retrieval_solution_v2.1.csv at {}/"),
        ("voxdet-soir", "VoxDet-SoIR is not here: expected its annotations at {}/anns.pt"),
        ("ilias", "ILIAS is not here: expected its lists of ids at {}/image_ids/image_query_ids.txt"),
    ],
)
def test_what_is_absent_is_told_with_its_place(tmp_path, capsys, name, expected):
    assert main(["dataset", name, str(tmp_path)]) == 1
    assert expected.replace("{}", str(tmp_path)) in capsys.readouterr().err


@pytest.mark.parametrize(("name", "file"), [("instre", "gnd_instre.mat"), ("roxford5k", "gnd_roxford5k.pkl")])
def test_another_ground_truth_is_refused(tmp_path, name, file):
    (tmp_path / file).write_bytes(pickle.dumps({"imlist": [1]}))
    with pytest.raises(EvaluationError, match=f"{file} is no ground truth"):
        read_dataset(name, tmp_path)


def test_a_ground_truth_that_would_run_something_is_refused(tmp_path):
    (tmp_path / "gnd_roxford5k.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(EvaluationError, match=r"it would make os\.system"):
        read_dataset("roxford5k", tmp_path)


def test_an_unknown_subset_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="has no subset 'simple'; it has easy, medium, hard"):
        read_dataset("roxford5k", tmp_path, subset="simple")


def test_a_run_is_measured_and_ids_are_written(tmp_path, capsys):
    make_instre(tmp_path)
    data = read_dataset("instre", tmp_path)
    rows = {query.id: dict.fromkeys(data.gallery, 0.5) | {data.gallery[0]: 0.9} for query in data.queries}
    (tmp_path / "s.json").write_text(json.dumps(rows))
    command = ["dataset", "instre", str(tmp_path), "--write-ids", str(tmp_path / "ids")]
    assert main([*command, "--similarities", str(tmp_path / "s.json"), "--k", "1"]) == 0
    told = capsys.readouterr().out
    assert "INSTRE: 2 queries (2 with boxes), 3 pictures" in told
    assert "mAP@1 = 50.00" in told
    assert (tmp_path / "ids" / "query_ids.txt").read_text().splitlines()[0] == "INSTRE-S1/01a_book/013.jpg,10,20,30,40"
    assert (tmp_path / "ids" / "gallery_ids.txt").read_text().splitlines() == list(data.gallery)


def test_missing_pictures_are_counted(tmp_path, capsys):
    make_instre(tmp_path)
    (tmp_path / "INSTRE-M" / "01").mkdir(parents=True)
    (tmp_path / "INSTRE-M" / "01" / "001.jpg").touch()
    assert main(["dataset", "instre", str(tmp_path), "--check-pictures"]) == 1
    assert "4 of 5 pictures are missing, for instance" in capsys.readouterr().err


def draw(path, size=(120, 90), colour=(10, 200, 30), inner=(20, 30, 50, 40)):
    """A red picture with a rectangle of another colour: x, y, width, height."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0] = 255
    x, y, width, height = inner
    pixels[y : y + height, x : x + width] = colour
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "JPEG" if path.suffix == ".jpg" else "PNG", quality=95, subsampling=0)


def test_objects_are_cut_out_at_their_boxes(tmp_path, capsys):
    make_instre(tmp_path)
    draw(tmp_path / "INSTRE-S1/01a_book/013.jpg", inner=(10, 20, 30, 40))
    draw(tmp_path / "INSTRE-S2/02_cup/001.jpg", inner=(1, 2, 3, 4))
    command = ["dataset", "instre", str(tmp_path), "--write-crops", str(tmp_path / "crops")]
    assert main(command) == 0
    with Image.open(tmp_path / "crops" / "INSTRE-S1/01a_book/013.jpg") as found:
        assert found.size == (30, 40)
        assert np.abs(np.asarray(found, np.int16) - (10, 200, 30)).max() < 40
    made_at = (tmp_path / "crops" / "INSTRE-S2/02_cup/001.jpg").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "crops" / "INSTRE-S2/02_cup/001.jpg").stat().st_mtime_ns == made_at
    (tmp_path / "INSTRE-S2/02_cup/001.jpg").unlink()
    (tmp_path / "crops" / "INSTRE-S2/02_cup/001.jpg").unlink()
    assert main(command) == 1
    assert "02_cup/001.jpg cannot be read" in capsys.readouterr().err


def test_boxes_that_leave_the_picture_are_cut_at_its_edge(tmp_path):
    draw(tmp_path / "q.png", size=(50, 40))
    for number, (box, size) in enumerate([(Box(-5, -5, 20, 20), (15, 15)), (Box(40, 30, 90, 90), (10, 10))]):
        query = Query("q.png", frozenset("a"), boxes=(box,))
        data = Dataset("D", (query,), ("a",), lambda one: tmp_path / one, lambda one: tmp_path / one)
        assert write_crops(data, tmp_path / str(number)) == 1
        with Image.open(tmp_path / str(number) / "q.png") as found:
            assert (found.format, found.size) == ("PNG", size)
    data = replace(data, queries=(replace(query, boxes=(Box(60, 0, 5, 5),)),))
    with pytest.raises(EvaluationError, match="outside of the picture"):
        write_crops(data, tmp_path / "out")


def test_paths_are_known_for_the_ids_of_their_pictures(tmp_path):
    make_revisited(tmp_path)
    data = read_dataset("roxford5k", tmp_path)
    found = translate({"all_souls_000051.jpg": rank({"jpg/all_souls_000013.jpg": 0.9, "other.jpg": 0.8})}, data)
    assert found["all_souls_000051"].ids == ("all_souls_000013", "other.jpg")
    make_google_landmarks(tmp_path)
    landmarks = read_dataset("google-landmarks", tmp_path)
    found = translate(
        {"0/0/a/00af.jpg": rank({"index/0/1/2/0123.jpg": 0.9, "1/2/0123.jpg": 0.8, "89ab": 0.7})}, landmarks
    )
    assert found["00af"].ids == ("0123", "0123", "89ab")
    make_voxdet(tmp_path)
    voxdet = read_dataset("voxdet-soir", tmp_path)
    found = translate({"P1/3/rgb/0.png": rank({"P2/images/7.png": 0.9, "images/7.png": 0.5, "7x.png": 0.1})}, voxdet)
    assert next(iter(found)) == voxdet.queries[0].id
    assert found[voxdet.queries[0].id].ids == (voxdet.gallery[0], voxdet.gallery[0], "7x.png")


@pytest.mark.parametrize("listed", ["x_1/pos/P#U00e9.jpg", "x_1/pos/Pé.jpg"])
@pytest.mark.parametrize("found", ["x_1/pos/P#U00e9.jpg", "x_1/pos/Pé.jpg", "core/x_1/pos/Pé.jpg", "P#U00e9.jpg"])
def test_names_beyond_ascii_are_known_in_either_spelling(listed, found):
    data = Dataset("D", (Query("#U00e9/q.jpg", frozenset({listed})),), (listed, "other.jpg"), Path, Path)
    data = replace(data, locate_gallery=Path("core").joinpath)
    rankings = translate({"é/q.jpg": rank({found: 0.9, "00000.tar/1": 0.1})}, data)
    assert rankings["#U00e9/q.jpg"].ids == (listed, "00000.tar/1")


def test_spellings_of_two_pictures_are_told_apart():
    data = Dataset("D", (), ("é.jpg", "#U00e9.jpg"), Path, Path)
    assert translate({"q": rank({"#U00e9.jpg": 0.9, "é.jpg": 0.1})}, data)["q"].ids == ("#U00e9.jpg", "é.jpg")


def test_two_rankings_of_one_query_are_refused():
    data = Dataset("D", (Query("a/é.jpg", frozenset("x")),), ("x",), Path, Path)
    with pytest.raises(EvaluationError, match=r"a/é\.jpg is ranked more than once, also as a/#U00e9\.jpg"):
        translate({"a/é.jpg": rank({"x": 0.9}), "a/#U00e9.jpg": rank({"y": 0.9})}, data)


def test_a_path_that_names_several_pictures_stays(tmp_path):
    make_instre(tmp_path)
    data = read_dataset("instre", tmp_path)
    found = translate({data.queries[0].id: rank({"001.jpg": 0.9, "002.jpg": 0.8})}, data)
    assert found[data.queries[0].id].ids == ("001.jpg", "INSTRE-S1/01a_book/002.jpg")
