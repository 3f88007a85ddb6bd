"""Exact neighbours, and similarities in files that ILIAS's script and ours read."""

from __future__ import annotations

import json
import pickle
import subprocess
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from photos.vision.interchange.soir_files import read_anns
from search.evaluation.errors import EvaluationError
from search.evaluation.knn import gather_rows, search_exact, search_expanded
from search.evaluation.plain_pickle import read_pickle
from search.evaluation.query_expansion import expand_queries
from search.evaluation.similarities import Neighbours, read_rankings, write_neighbours


def unit(count: int, dimensions: int = 8, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def named(found: Neighbours) -> list[list[str]]:
    return [[found.db_ids[place] for place in row] for row in found.ranks]


def in_parts(rows: np.ndarray, size: int):
    def gallery():
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            yield [f"g{number}" for number in range(start, start + len(part))], part

    return gallery


@pytest.mark.parametrize(("k", "size"), [(1, 7), (5, 3), (5, 100), (40, 9), (100, 7)])
def test_neighbours_are_those_of_sorting_everything(k, size):
    queries, rows = unit(6, seed=1), unit(40)
    found = search_exact(list("abcdef"), queries, in_parts(rows, size), k=k)
    similarities = queries @ rows.T
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    assert named(found) == [[f"g{place}" for place in row] for row in order]
    np.testing.assert_allclose(
        found.similarities, np.take_along_axis(similarities, order, axis=1), rtol=1e-4, atol=1e-6
    )
    assert found.searched == 40
    assert len(found.db_ids) == len(np.unique(order))


@settings(deadline=None)
@given(st.lists(st.integers(-2, 2), min_size=1, max_size=30), st.integers(1, 8), st.integers(1, 9))
def test_equals_come_in_the_gallerys_order_however_it_is_cut(values, k, size):
    rows = np.array(values, np.float32)[:, None]
    found = search_exact(["q"], np.ones((1, 1), np.float32), in_parts(rows, size), k=k)
    expected = sorted(range(len(values)), key=lambda place: -values[place])[:k]
    assert named(found) == [[f"g{place}" for place in expected]]


def test_torch_finds_the_same():
    queries, rows = unit(6, seed=1), unit(40).astype(np.float16)
    ours = search_exact(list("abcdef"), queries, in_parts(rows, 7), k=5)
    from search.evaluation import knn

    engine = knn._TorchEngine(queries, "cpu")
    best = knn._Best(6, 5)
    for start in range(0, 40, 7):
        part = rows[start : start + 7]
        best.take(engine.survivors(part, best.least()), [f"g{start + row}" for row in range(len(part))])
    theirs = best.name(list("abcdef"))
    assert named(theirs) == named(ours)
    np.testing.assert_allclose(theirs.similarities, ours.similarities, rtol=1e-5)


@pytest.mark.parametrize(
    ("queries", "rows", "message"),
    [
        (np.ones((1, 4)), np.ones((3, 5)), "4 dimensions, the gallery 5"),
        (np.ones((1, 4)), np.full((3, 4), np.nan), "features of g0 ... g2 hold NaN"),
        (np.full((1, 4), np.inf), np.ones((3, 4)), "features of the queries hold NaN"),
        (np.ones((1, 4)), np.ones((0, 4)), "gallery is empty"),
    ],
)
def test_it_refuses_features_that_cannot_be_searched(queries, rows, message):
    with pytest.raises(EvaluationError, match=message):
        search_exact(["q"], queries, in_parts(rows, 10), k=2)


def test_a_device_that_is_not_here_is_told():
    with pytest.raises(EvaluationError, match="torch cannot compute on 'nowhere'"):
        search_exact(["q"], np.ones((1, 4)), in_parts(np.ones((3, 4)), 10), k=2, device="nowhere")


def test_rows_are_gathered_from_any_part():
    rows = unit(20)
    places = np.array([[19, 0], [7, 7]])
    np.testing.assert_array_equal(gather_rows(in_parts(rows, 6)(), places), rows[places])


def test_expansion_moves_queries_by_weight():
    queries = np.array([[1.0, 0.0]])
    neighbours = np.array([[[0.0, 1.0], [-1.0, 0.0]]])
    similarities = np.array([[0.5, -0.9]])
    for alpha, weight in ((0.0, 1.0), (1.0, 0.5), (3.0, 0.125)):
        found = expand_queries(queries, neighbours, similarities, alpha=alpha)
        np.testing.assert_allclose(found, [[1, weight] / np.hypot(1, weight)], rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="0 or more"):
        expand_queries(queries, neighbours, similarities, alpha=-1)
    with pytest.raises(ValueError, match="neighbours"):
        expand_queries(queries, neighbours[0], similarities)


def test_expansion_with_ilias_weights_is_its_mean_of_query_and_neighbours():
    queries, rows = unit(3, seed=1), unit(30)
    first = search_exact(list("abc"), queries, in_parts(rows, 11), k=4)
    near = np.array([[rows[int(name[1:])] for name in row] for row in named(first)])
    stacked = np.concatenate([queries[:, None], first.similarities[:, :, None] * near], axis=1).mean(axis=1)
    moved = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    expected = search_exact(list("abc"), moved, in_parts(rows, 11), k=6)
    found = search_expanded(list("abc"), queries, in_parts(rows, 11), k=6, expansion=4, alpha=1.0)
    assert named(found) == named(expected)


def test_only_the_names_of_the_nearest_are_kept():
    rows = np.linspace(0, 1, 500, dtype=np.float32)[:, None]
    found = search_exact(["q"], np.ones((1, 1), np.float32), in_parts(rows, 10), k=3)
    assert (found.db_ids, found.searched) == (("g497", "g498", "g499"), 500)
    assert named(found) == [["g499", "g498", "g497"]]


FOUND = Neighbours(
    ("q1", "é"),
    ("g0", "g1", "g2", "g3"),
    np.array([[0.75, 0.5], [0.25, -0.125]], np.float32),
    np.array([[3, 1], [1, 0]]),
)


@pytest.mark.parametrize("suffix", [".json", ".npz", ".pkl"])
def test_rankings_come_back_from_any_file(tmp_path, suffix):
    path = tmp_path / f"s{suffix}"
    write_neighbours(path, FOUND)
    found = read_rankings(path)
    assert {query: (one.ids, one.similarities.tolist()) for query, one in found.items()} == {
        "q1": (("g3", "g1"), [0.75, 0.5]),
        "é": (("g1", "g0"), [0.25, -0.125]),
    }


def test_the_pickle_has_what_the_script_of_ilias_asks_for(tmp_path):
    write_neighbours(tmp_path / "s.pkl", FOUND)
    found = pickle.loads((tmp_path / "s.pkl").read_bytes())
    assert sorted(found) == ["db_ids", "query_ids", "ranks", "similarities"]
    assert found["db_ids"].tolist() == ["g0", "g1", "g3"]
    assert found["db_ids"][found["ranks"][0]].tolist() == ["g3", "g1"]
    assert (-found["similarities"][0]).tolist() == [-0.75, -0.5]


def test_the_pickle_of_ilias_search_is_read(tmp_path):
    """Its `search.py` names the similarities `sims`, and its ids are arrays of objects."""
    found = {"query_ids": np.array(["q"], object), "db_ids": np.array(["a", "b"]), "sims": np.array([[0.5, 0.25]])}
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(found | {"ranks": np.array([[1, 0]])}))
    assert read_rankings(tmp_path / "s.pkl")["q"].ids == ("b", "a")


class _Runs:
    def __reduce__(self):
        return subprocess.check_call, (["touch", "made"],)


def test_a_pickle_that_would_run_something_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.pkl").write_bytes(pickle.dumps({"query_ids": _Runs()}))
    with pytest.raises(EvaluationError, match=r"it would make subprocess\.check_call"):
        read_rankings(tmp_path / "s.pkl")
    assert not (tmp_path / "made").exists()


class _Calls:
    def __init__(self, *call):
        self._call = call

    def __reduce__(self):
        return self._call


def test_bytes_are_never_taken_for_addresses(tmp_path):
    hostile = _Calls(np.ndarray, ((1,), np.dtype("O"), b"\x10\x20\x30\x40\x50\x60\x70\x00"))
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(hostile))
    assert read_pickle(tmp_path / "s.pkl").size == 0
    torch.save({"a": {"ins": hostile}}, tmp_path / "anns.pt")
    (found,) = read_anns(tmp_path / "anns.pt")["a"].instances
    assert not found


@pytest.mark.parametrize(
    "array",
    [np.zeros(1, [("a", "O")]), np.zeros(2, [("a", "f4"), ("b", "i4")]), np.array(["2020-01-01"], "M8[D]")],
)
def test_arrays_of_anything_but_numbers_text_and_objects_are_refused(tmp_path, array):
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(array))
    with pytest.raises(EvaluationError, match="is not read"):
        read_pickle(tmp_path / "s.pkl")


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=">i4").reshape(3, 4)),
        np.array(["é", "longer"]),
        np.array([b"a", b"bc"]),
        np.array([["x", None], [1, (2, 3)]], object),
        np.array(3.5, np.float16),
        np.zeros((0, 4), bool),
    ],
)
def test_arrays_come_back_as_they_were(tmp_path, array, protocol):
    (tmp_path / "s.pkl").write_bytes(pickle.dumps({"a": [array]}, protocol=protocol))
    found = read_pickle(tmp_path / "s.pkl")["a"][0]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_of_any_protocol_are_read(tmp_path, protocol):
    plain = {"gnd": [{"easy": [1, 2], "bbx": (1.5, 2.0)}], "names": ["é"], "n": np.int64(3), "set": {1}}
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(plain | {"array": np.arange(6).reshape(2, 3)}, protocol=protocol))
    found = read_pickle(tmp_path / "s.pkl")
    np.testing.assert_array_equal(found.pop("array"), [[0, 1, 2], [3, 4, 5]])
    assert found == plain


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("s.txt", b"", "use .json, .npz, .pkl"),
        ("s.json", b"[1]", "holds no similarities"),
        ("s.json", b'{"q": {"a": NaN}}', "not a finite number"),
        ("s.npz", b"hello", "holds no similarities"),
        ("s.pkl", b"hello", "no pickle of plain types"),
    ],
)
def test_other_files_are_told(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(EvaluationError, match=message):
        read_rankings(tmp_path / name)


def test_arrays_that_do_not_go_together_are_refused(tmp_path):
    for arrays in ({"ranks": [[0, 5]]}, {"ranks": [[0]]}, {"query_ids": ["q", "r"]}):
        good = {"query_ids": ["q"], "db_ids": ["a", "b"], "similarities": [[0.5, 0.1]], "ranks": [[0, 1]]}
        made: dict[str, Any] = good | arrays
        np.savez(tmp_path / "s.npz", **made)
        with pytest.raises(EvaluationError, match="holds no similarities"):
            read_rankings(tmp_path / "s.npz")
    with pytest.raises(EvaluationError, match="there is no file"):
        read_rankings(tmp_path / "none.json")
    with pytest.raises(EvaluationError, match=r"use \.json, \.npz, \.pkl"):
        write_neighbours(tmp_path / "s.csv", FOUND)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"q": {"a": 0.5, "b": 0.4, "a": 0.1}}', "hold a 2 times; each id must be there once"),
        ('{"q": {"a": 0.5}, "r": {}, "q": {"b": 0.1}}', "hold q 2 times"),
    ],
)
def test_json_that_repeats_an_id_is_refused(tmp_path, text, message):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(EvaluationError, match=message):
        read_rankings(tmp_path / "s.json")


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"query_ids": ["q", "q"]}, "the queries hold q 2 times"),
        ({"ranks": [[0, 1], [1, 1]]}, "neighbours of r hold b 2 times"),
        ({"db_ids": ["a", "a"]}, "neighbours of q hold a 2 times"),
    ],
)
def test_arrays_that_repeat_an_id_are_refused(tmp_path, suffix, arrays, message):
    good = {"query_ids": ["q", "r"], "db_ids": ["a", "b"], "similarities": [[0.5, 0.1]] * 2, "ranks": [[0, 1]] * 2}
    made: dict[str, Any] = good | arrays
    if suffix == ".npz":
        np.savez(tmp_path / "s.npz", **made)
    else:
        (tmp_path / "s.pkl").write_bytes(pickle.dumps(made))
    with pytest.raises(EvaluationError, match=message):
        read_rankings(tmp_path / f"s{suffix}")


def test_json_is_what_ilias_reads(tmp_path):
    write_neighbours(tmp_path / "s.json", FOUND)
    assert json.loads((tmp_path / "s.json").read_text()) == {
        "q1": {"g3": 0.75, "g1": 0.5},
        "é": {"g1": 0.25, "g0": -0.125},
    }
