"""`python -m search.evaluation`, from files of features to a comparison of two runs."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest

from photos.vision.interchange.soir_files import Annotation, write_anns
from search.evaluation import comparison, retrieval
from search.evaluation.__main__ import main
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Query, QueryResult, RetrievalReport, rank
from tests.search.ilias_files import make_ilias


@pytest.fixture(scope="module")
def ilias(tmp_path_factory):
    return make_ilias(tmp_path_factory.mktemp("ilias"))


def features(folder, *names):
    return [str(folder / f"features_{name}.hdf5") for name in names]


def search(folder, out, *more):
    gallery = features(folder, "positives", "distractors_00000", "distractors_00001")
    queries = features(folder, "image_queries")
    assert main(["knn", "--queries", *queries, "--gallery", *gallery, "--out", str(out), "--k", "20", *more]) == 0


@pytest.mark.parametrize("suffix", [".json", ".npz", ".pkl"])
def test_it_works_from_features_to_ilias_measures(ilias, tmp_path, capsys, suffix):
    search(ilias, tmp_path / f"s{suffix}")
    command = ["ilias", "--similarities", str(tmp_path / f"s{suffix}"), "--ids", str(ilias), "--k", "20", "5"]
    assert main([*command, "--check-ids", "--json", str(tmp_path / "run.json")]) == 0
    told = capsys.readouterr().out
    report = retrieval.from_json(json.loads((tmp_path / "run.json").read_text()))
    assert f"mAP@20 = {100 * report.means['mAP@20']:.2f}" in told
    assert "3 without a ranking do not count: merry_cup_001/query/T001.txt" in told
    assert sorted(report.breakdowns) == ["category", "clutter", "scale", "subcategory"]
    assert sorted(report.breakdowns["category"]) == ["landmark", "product"]
    assert 0.3 < report.means["mAP@20"] < 1 <= report.means["oracle@20"]


def test_measures_are_those_of_the_definition(ilias, tmp_path):
    """The sum over the places of the precision at each positive, over 5 or all three, worked out apart."""
    search(ilias, tmp_path / "s.json")
    main(
        [
            "ilias",
            "--similarities",
            str(tmp_path / "s.json"),
            "--ids",
            str(ilias),
            "--k",
            "2",
            "--json",
            str(tmp_path / "r"),
        ]
    )
    report = json.loads((tmp_path / "r").read_text())
    for query, row in json.loads((tmp_path / "s.json").read_text()).items():
        names = sorted(row, key=lambda one: -row[one])[:2]
        right = [one.startswith(query.split("/")[0] + "/pos/") for one in names]
        expected = sum(sum(right[: place + 1]) / (place + 1) for place in range(2) if right[place]) / 2
        (values,) = (one["values"] for one in report["queries"] if one["query"] == query)
        assert values["mAP@2"] == pytest.approx(expected)


def test_expanded_queries_are_compared_with_plain_ones(ilias, tmp_path, capsys):
    for name, more in (("a", []), ("b", ["--expand", "3", "--alpha", "3"])):
        search(ilias, tmp_path / f"{name}.npz", *more)
        run = ["ilias", "--similarities", str(tmp_path / f"{name}.npz"), "--ids", str(ilias), "--k", "20"]
        assert main([*run, "--json", str(tmp_path / f"{name}.json")]) == 0
    capsys.readouterr()
    runs = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert main(["compare", *runs, "--samples", "500", "--json", str(tmp_path / "c.json")]) == 0
    found = json.loads((tmp_path / "c.json").read_text())
    told = capsys.readouterr().out
    assert (found["measure"], found["queries"]) == ("mAP@20", 6)
    assert f"difference = {100 * found['difference']:+.2f}" in told
    assert found["low"] <= found["difference"] <= found["high"]


def test_only_the_selected_of_the_distractors_are_searched(ilias, tmp_path):
    (tmp_path / "selected.txt").write_text("0000000003\n00001.tar/0000000020\n")
    search(ilias, tmp_path / "s.json", "--selected-ids", str(tmp_path / "selected.txt"))
    rows = json.loads((tmp_path / "s.json").read_text()).values()
    assert {len(row) for row in rows} == {11}
    assert {one for row in rows for one in row if ".tar/" in one} == {"00000.tar/0000000003", "00001.tar/0000000020"}


@pytest.mark.parametrize("more", [[], ["--expand", "2"]])
def test_selected_ids_that_are_not_there_are_counted(ilias, tmp_path, capsys, more):
    (tmp_path / "selected.txt").write_text("0000000003\n0000000099\n00001.tar/0000000003\n")
    search(ilias, tmp_path / "s.json", "--selected-ids", str(tmp_path / "selected.txt"), *more)
    told = f"2 of 3 ids in {tmp_path}/selected.txt are not in the gallery, for instance 0000000099\n"
    assert capsys.readouterr().err.endswith(told)


@pytest.mark.parametrize("partition", ["positives", "distractors_00000"])
def test_a_selection_of_nothing_that_is_there_is_refused(ilias, tmp_path, capsys, partition):
    (tmp_path / "selected.txt").write_text("3\n99\n")
    files = ["--queries", *features(ilias, "image_queries"), "--gallery", *features(ilias, partition)]
    out = ["--out", str(tmp_path / "s.json"), "--selected-ids", str(tmp_path / "selected.txt")]
    assert main(["knn", *files, *out]) == 1
    told = f"none of the 2 ids in {tmp_path}/selected.txt is in the gallery, for instance 3"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "s.json").exists()


def test_soir_measures_from_its_files(tmp_path, capsys):
    anns = {"q.jpg": Annotation(True, (1,)), "a.jpg": Annotation(False, (1, 2)), "b.jpg": Annotation(False, (2,))}
    write_anns(tmp_path / "anns.pt", anns)
    (tmp_path / "s.json").write_text(json.dumps({"q.jpg": {"b.jpg": 0.9, "a.jpg": 0.4}}))
    command = ["soir", "--similarities", str(tmp_path / "s.json"), "--anns", str(tmp_path / "anns.pt"), "--k", "1", "2"]
    assert main([*command, "--json", str(tmp_path / "run.json")]) == 0
    told = capsys.readouterr().out
    assert "SoIR mAP = 50.00\nR@1 = 0.00\nR@2 = 100.00\n" in told
    assert "best F1 = 66.67 at similarity 0.10" in told
    assert json.loads((tmp_path / "run.json").read_text())["thresholds"]["precisions"][0] == 0.5


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("ilias --similarities none.json --ids {ilias}", "there is no file none.json"),
        ("ilias --similarities {tmp}/s.json --ids {tmp}", "ILIAS is not here: expected its lists of ids at"),
        ("ilias --similarities {tmp}/s.json --ids {ilias}", "none of the 1 rankings is of a query of ILIAS's lists"),
        ("soir --similarities {tmp}/s.json --anns {tmp}/anns.pt", "there is no file"),
        ("knn --queries {tmp}/s.json --gallery {tmp}/s.json --out {tmp}/o.json", "no name of a file of features"),
        ("knn --queries {tmp}/s.json --gallery {tmp}/s.json --out {tmp}/o.txt", "use a name that ends with .json"),
        ("compare {tmp}/s.json {tmp}/s.json", "is no report of an evaluation"),
    ],
)
def test_it_tells_what_is_wrong_in_one_line(ilias, tmp_path, capsys, command, message):
    (tmp_path / "s.json").write_text('{"q": {"a": 0.5}}')
    assert main([part.format(ilias=ilias, tmp=tmp_path) for part in command.split()]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_check_ids_refuses_strangers(ilias, tmp_path, capsys):
    query = "merry_cup_001/query/Q001_00.jpg"
    for row, message in (({query: {"x.jpg": 0.5}}, "x.jpg, which is not"), ({query: {}, "q": {}}, "for instance q")):
        (tmp_path / "s.json").write_text(json.dumps(row))
        command = ["ilias", "--similarities", str(tmp_path / "s.json"), "--ids", str(ilias)]
        assert main(command) == 0
        assert main([*command, "--check-ids"]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("listed", ["x_1/pos/P#U00e9.jpg", "x_1/pos/Pé.jpg"])
@pytest.mark.parametrize("found", ["x_1/pos/P#U00e9.jpg", "x_1/pos/Pé.jpg"])
def test_ids_of_ilias_are_known_in_either_spelling(tmp_path, capsys, listed, found):
    (tmp_path / "image_query_ids.txt").write_text("x_1/query/Q.jpg,0,0,10,10\n")
    (tmp_path / "positive_ids.txt").write_text(f"{listed},0.2,5\n", encoding="utf-8")
    (tmp_path / "distractor_ids.txt.gz").write_bytes(gzip.compress(b"00000.tar/1\n"))
    (tmp_path / "s.json").write_text(json.dumps({"x_1/query/Q.jpg": {found: 0.9, "00000.tar/1": 0.1}}))
    assert main(["ilias", "--similarities", str(tmp_path / "s.json"), "--ids", str(tmp_path), "--check-ids"]) == 0
    assert "mAP@1000 = 100.00" in capsys.readouterr().out


def test_it_runs_as_a_module_without_django(ilias, tmp_path):
    (tmp_path / "s.json").write_text(
        json.dumps({"merry_cup_001/query/Q001_00.jpg": {"merry_cup_001/pos/P001_00.jpg": 1}})
    )
    code = (
        "import sys, search.evaluation.__main__ as m; status = m.main(sys.argv[1:]); sys.exit('django' in sys.modules)"
    )
    command = ["ilias", "--similarities", str(tmp_path / "s.json"), "--ids", str(ilias)]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mAP@1000 = 33.33" in done.stdout


def report(values, *, instances=None, name="mAP"):
    names = instances or [str(number) for number in range(len(values))]
    return RetrievalReport(
        "run", tuple(QueryResult(str(n), names[n], {name: float(value)}) for n, value in enumerate(values))
    )


def test_a_run_compared_with_itself_does_not_differ():
    found = comparison.compare(report([0.1, 0.5, 0.9]), report([0.1, 0.5, 0.9]))
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    assert (found.better, found.worse) == (0, 0)


def test_a_run_that_is_better_everywhere_is_better_for_sure():
    values = np.linspace(0, 0.8, 30)
    found = comparison.compare(report(values), report(values + 0.1), samples=2000)
    assert found.difference == pytest.approx(0.1)
    assert [found.low, found.high] == pytest.approx([0.1, 0.1])
    assert found.p_value == pytest.approx(2 / 2001)


def test_the_interval_is_the_one_of_the_normal_distribution_for_many_queries():
    random = np.random.default_rng(3)
    before = random.uniform(0.3, 0.6, 800)
    differences = random.normal(0.02, 0.2, 800)
    found = comparison.compare(report(before), report(before + differences), samples=4000, confidence=0.9)
    error = differences.std() / np.sqrt(800)
    assert found.low == pytest.approx(differences.mean() - 1.645 * error, abs=0.1 * error)
    assert found.high == pytest.approx(differences.mean() + 1.645 * error, abs=0.1 * error)


def test_queries_of_one_instance_are_drawn_together():
    """Ten queries of two instances that say the same ten times over prove no more than two would."""
    before, after = [0.5] * 10, [0.9] * 5 + [0.3] * 5
    names = ["a"] * 5 + ["b"] * 5
    by_query = comparison.compare(report(before, instances=names), report(after, instances=names))
    by_instance = comparison.compare(report(before, instances=names), report(after, instances=names), unit="instance")
    assert [by_instance.low, by_instance.high] == pytest.approx([-0.2, 0.4])
    assert by_instance.units == 2
    assert by_query.high - by_query.low < by_instance.high - by_instance.low


def test_runs_without_anything_in_common_are_refused():
    other = RetrievalReport("run", (QueryResult("x", "x", {"mAP": 1.0}),))
    with pytest.raises(EvaluationError, match="share no query with 'mAP'"):
        comparison.compare(report([0.5]), other)
    with pytest.raises(EvaluationError, match="share no measure"):
        comparison.compare(report([0.5]), report([0.5], name="R@1"))
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        comparison.compare(report([0.5]), report([0.5]), confidence=1)


def test_only_queries_that_both_answered_count():
    queries = [Query("a", frozenset("x")), Query("b", frozenset("x"))]
    first = retrieval.evaluate(queries, {"a": rank({"x": 1.0}), "b": rank({"y": 1.0})}, ks=(1,))
    second = retrieval.evaluate(queries, {"b": rank({"x": 1.0})}, ks=(1,))
    assert comparison.compare(first, second).queries == 1
