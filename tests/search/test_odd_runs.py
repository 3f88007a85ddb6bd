"""Runs as people make them: names in any letters, ids twice, annotations that ask for several things."""

from __future__ import annotations

import json

import numpy as np
import pytest

from photos.vision.interchange.soir_files import Annotation, write_anns
from search.evaluation import soir
from search.evaluation.__main__ import main
from search.evaluation.datasets.names import translate
from search.evaluation.errors import EvaluationError
from search.evaluation.knn import search_exact
from search.evaluation.retrieval import Dataset, Query, rank


def gallery(*ids: str):
    return lambda: [(list(ids), np.ones((len(ids), 2), np.float32))]


def test_ids_that_come_twice_are_told():
    one = np.ones((1, 2), np.float32)
    with pytest.raises(EvaluationError, match="the gallery hold b 2 times"):
        search_exact(["q"], one, gallery("a", "b", "c", "b"), k=4)
    with pytest.raises(EvaluationError, match="the queries hold q 2 times"):
        search_exact(["q", "q"], np.ones((2, 2), np.float32), gallery("a"), k=4)


def test_names_are_known_as_files_of_features_spell_them(tmp_path):
    query = Query("köy/q.jpg", frozenset({"köy/a.jpg"}))
    data = Dataset("D", (query,), ("köy/a.jpg", "b.jpg"), lambda one: tmp_path / one, lambda one: tmp_path / one)
    found = translate({"k#U00f6y/q.jpg": rank({"k#U00f6y/a.jpg": 0.9, "x/k#U00f6y/a.jpg": 0.5, "b.jpg": 0.1})}, data)
    assert found["köy/q.jpg"].ids == ("köy/a.jpg", "x/k#U00f6y/a.jpg", "b.jpg")
    found = translate({"q.jpg": rank({"#U00e9.jpg": 0.9})}, data)
    assert found["köy/q.jpg"].ids == ("#U00e9.jpg",)


def test_a_query_of_several_instances_is_answered_by_any():
    anns = {
        "q": Annotation(True, (1, 2)),
        "a": Annotation(False, (1,)),
        "b": Annotation(False, (2, 3)),
        "c": Annotation(False, (3,)),
    }
    (query,) = soir.to_queries(anns)
    assert query.relevant == frozenset("ab")
    with pytest.raises(EvaluationError, match="the query q shows no instance"):
        soir.to_queries({"q": Annotation(True, ())})


def test_pictures_of_soir_are_known_by_the_ends_of_their_paths(tmp_path, capsys):
    anns = {
        "/elsewhere/OWID/P1/q.png": Annotation(True, (1,)),
        "/elsewhere/OWID/P2/a.png": Annotation(False, (1,)),
        "/elsewhere/OWID/P2/b.png": Annotation(False, (2,)),
    }
    write_anns(tmp_path / "anns.pt", anns)
    (tmp_path / "run.json").write_text(json.dumps({"P1/q.png": {"P2/b.png": 0.9, "P2/a.png": 0.4}}))
    assert main(["soir", "--similarities", str(tmp_path / "run.json"), "--anns", str(tmp_path / "anns.pt")]) == 0
    told = capsys.readouterr().out
    assert "SoIR mAP = 50.00" in told
    assert "R@1 = 0.00" in told


def test_a_run_with_one_picture_under_two_names_is_told(tmp_path, capsys):
    anns = {"/x/q.png": Annotation(True, (1,)), "/x/a.png": Annotation(False, (1,))}
    write_anns(tmp_path / "anns.pt", anns)
    (tmp_path / "run.json").write_text(json.dumps({"q.png": {"x/a.png": 0.9, "a.png": 0.4}}))
    assert main(["soir", "--similarities", str(tmp_path / "run.json"), "--anns", str(tmp_path / "anns.pt")]) == 1
    assert capsys.readouterr().err == "the ranking of /x/q.png has /x/a.png more than once\n"
