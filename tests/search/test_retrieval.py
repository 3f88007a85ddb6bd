"""Measures of retrieval, worked out by hand, and as ILIAS's and SoIR's own scripts compute them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photos.vision.interchange.soir_files import Annotation
from search.evaluation import metrics, reporting, retrieval, soir
from search.evaluation.errors import EvaluationError
from search.evaluation.retrieval import Query, rank


def falling(count: int) -> np.ndarray:
    return np.linspace(1, 0.1, count)


@pytest.mark.parametrize(
    ("relevant", "total", "k", "expected"),
    [
        ([True, False, True], 2, 3, (1 + 2 / 3) / 2),
        ([True, False, True], 5, 2, 1 / 2),
        ([False, True, True], 3, 1, 0.0),
        ([False, False], 3, 10, 0.0),
        ([True], 20, 10, 1 / 10),
        ([], 3, 10, 0.0),
        ([True, False, True], 5, None, (1 + 2 / 3) / 5),
    ],
)
def test_ap_at_k_divides_by_what_k_places_can_hold(relevant, total, k, expected):
    found = metrics.average_precision_at_k(relevant, falling(len(relevant)), total=total, k=k)
    assert found == pytest.approx(expected)


def test_equal_similarities_share_a_precision_whatever_their_order():
    """As sklearn's `average_precision_score`, which ILIAS uses, takes a threshold for each different similarity."""
    values = [0.9, 0.5, 0.5, 0.5]
    for relevant in ([False, True, False, True], [False, True, True, False], [False, False, True, True]):
        assert metrics.average_precision_at_k(relevant, values, total=2, k=4) == pytest.approx(2 / 4)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 40))
def test_ap_at_k_is_the_sum_of_ilias(relevant, k):
    total = sum(relevant) + 2
    hits = [sum(relevant[: place + 1]) / (place + 1) for place in range(min(k, len(relevant))) if relevant[place]]
    found = metrics.average_precision_at_k(relevant, falling(len(relevant)), total=total, k=k)
    assert found == pytest.approx(sum(hits) / min(k, total))
    assert found <= metrics.oracle_at_k(relevant, total=total, k=k) + 1e-12


@pytest.mark.parametrize(
    ("values", "total", "message"),
    [
        ([0.1, 0.2], 1, "and fall from"),
        ([0.2, math.nan], 1, "finite"),
        ([0.2, 0.1], 0, "at least one"),
        ([0.2], 1, "places"),
    ],
)
def test_ap_at_k_refuses_what_is_no_ranking(values, total, message):
    with pytest.raises(ValueError, match=message):
        metrics.average_precision_at_k([True, False], values, total=total, k=2)


@pytest.mark.parametrize(
    ("relevant", "total", "expected"),
    [([True], 1, 1.0), ([False, True], 1, (0 + 1 / 2) / 2), ([True, False, True], 2, (1 + (1 / 2 + 2 / 3) / 2) / 2)],
)
def test_revisited_oxford_measures_the_area_by_trapezes(relevant, total, expected):
    assert metrics.trapezoidal_average_precision(relevant, total) == pytest.approx(expected)


def test_soir_divides_by_what_was_retrieved():
    assert metrics.soir_average_precision([False, True, False]) == 1 / 2
    assert metrics.soir_average_precision([False, False]) == 0.0
    assert metrics.precision_at_k([True, True], 4) == 1 / 2


def test_rank_puts_the_most_similar_first_and_equals_as_given():
    found = rank({"a": 0.1, "b": 0.7, "c": 0.7, "d": 0.9})
    assert found.ids == ("d", "b", "c", "a")
    with pytest.raises(ValueError, match="finite"):
        rank({"a": float("nan")})


def test_a_report_tells_what_it_did_not_count():
    queries = [Query("q1", frozenset("ab")), Query("q2", frozenset("c")), Query("q3", frozenset())]
    report = retrieval.evaluate(queries, {"q1": rank({"a": 0.9, "x": 0.8, "b": 0.7})}, ks=(1, 2))
    assert (report.unanswered, report.pointless) == (("q2",), ("q3",))
    assert report.means == pytest.approx(
        {"mAP@1": 1.0, "mAP@2": 1 / 2, "mAP": (1 + 2 / 3) / 2, "oracle@1": 1.0, "oracle@2": 1 / 2, "R@1": 1, "R@2": 1}
    )
    assert retrieval.from_json(retrieval.to_json(report)) == report


def test_a_report_tells_of_rankings_shorter_than_k():
    queries = [Query("q1", frozenset("a")), Query("q2", frozenset("a")), Query("q3", frozenset("a"))]
    rankings = {"q1": rank({"a": 0.9}), "q2": rank({"x": 0.8, "a": 0.7}), "q3": rank(dict.fromkeys("abcdef", 0.5))}
    report = retrieval.evaluate(queries, rankings | {"other": rank({})}, ks=(5, 1))
    assert report.short == retrieval.ShortRankings(count=2, k=5, shortest=1)
    told = "  2 rankings are shorter than k = 5, the shortest has 1: what they leave out counts as not found"
    assert told in list(reporting.report_lines(report))
    assert retrieval.from_json(retrieval.to_json(report)) == report
    assert retrieval.from_json({"name": "of old", "queries": []}).short is None


def test_a_report_of_rankings_as_long_as_k_tells_nothing_of_that():
    report = retrieval.evaluate([Query("q", frozenset("a"))], {"q": rank({"a": 0.9, "b": 0.1})}, ks=(1, 2))
    assert report.short is None
    assert "shorter" not in " ".join(reporting.report_lines(report))


def test_junk_is_taken_out_of_the_ranking():
    query = Query("q", frozenset({"a", "j"}), junk=frozenset({"j", "k"}))
    values = retrieval.measure(query, rank({"k": 0.9, "j": 0.8, "x": 0.7, "a": 0.6}), ks=(2,))
    assert values["mAP@2"] == 1 / 2
    assert values["R@2"] == 1.0


def test_a_ranking_with_an_id_twice_is_refused():
    ranking = retrieval.Ranking(("a", "a"), np.array([0.9, 0.8]))
    with pytest.raises(EvaluationError, match="has a more than once"):
        retrieval.judge(Query("q", frozenset("a")), ranking)


def test_groups_weigh_an_instance_once_however_often_it_is_asked_for():
    def result(query: str, instance: str, value: float) -> retrieval.QueryResult:
        return retrieval.QueryResult(query, instance, {"mAP": value}, {"category": "toy"})

    results = [result("1", "bear", 1.0), result("2", "bear", 0.0), result("3", "car", 1.0)]
    assert retrieval.break_down(results, "mAP", "category") == {"toy": 0.75}
    assert retrieval.break_down(results, "mAP", "category", by_instance=False) == {"toy": pytest.approx(2 / 3)}


def test_narrowing_makes_the_other_answers_junk():
    queries = [Query("q", frozenset("abc")), Query("r", frozenset("c"))]
    (found,) = retrieval.narrow(queries, lambda one: one in "ab")
    assert (found.id, found.relevant, found.junk) == ("q", frozenset("ab"), frozenset("c"))


ANNS = {
    "g1": Annotation(False, (1, 2)),
    "g2": Annotation(False, (2,)),
    "g3": Annotation(False, (3,)),
    "g4": Annotation(False, (1,)),
    "q1": Annotation(True, (1,), ((1.0, 2.0, 4.0, 6.0),), subset="OWID"),
    "q9": Annotation(True, (9,), subset="RoboTools"),
}
RANKINGS = {
    "q1": rank({"g3": 0.9, "g1": 0.8, "g2": 0.35, "g4": 0.2}),
    "q9": rank({"g1": 0.6, "g2": 0.5, "g3": 0.4, "g4": 0.3}),
}


def test_queries_of_soir_ask_for_pictures_with_their_instance():
    first, second = soir.to_queries(ANNS)
    assert (first.relevant, second.relevant) == (frozenset({"g1", "g4"}), frozenset())
    box = first.boxes[0]
    assert (box.x, box.y, box.width, box.height) == (1, 2, 3, 4)


def test_soir_counts_a_query_without_an_answer_as_nothing_found():
    report = soir.evaluate_soir(soir.to_queries(ANNS), RANKINGS, ks=(1, 2))
    assert report.means == pytest.approx(
        {"SoIR mAP": (1 / 2 + 2 / 4) / 2 / 2, "R@1": 0.0, "R@2": 1 / 2, "P@3": 1 / 6, "mAP": (1 / 2 + 2 / 4) / 2}
    )
    assert report.pointless == ("q9",)
    assert soir.evaluate_soir(soir.to_queries(ANNS), RANKINGS, ks=(5,)).short == retrieval.ShortRankings(2, 5, 4)
    assert report.breakdowns["set"] == {"OWID": 1 / 2, "RoboTools": 0.0}


def test_soir_ap_of_a_short_ranking_is_higher_than_the_standard_one():
    short = {"q1": retrieval.Ranking(RANKINGS["q1"].ids[:2], RANKINGS["q1"].similarities[:2])}
    means = soir.evaluate_soir(soir.to_queries(ANNS), short).means
    assert (means["SoIR mAP"], means["mAP"]) == (1 / 2, 1 / 4)


def test_the_sweep_counts_over_all_queries_together():
    sweep = soir.sweep_thresholds(soir.to_queries(ANNS), RANKINGS, thresholds=(0.1, 0.45, 0.7, 0.95))
    assert sweep.precisions == pytest.approx((2 / 8, 1 / 4, 1 / 2, 0))
    assert sweep.recalls == pytest.approx((1, 1 / 2, 1 / 2, 0))
    assert sweep.f1_scores == pytest.approx((0.4, 1 / 3, 1 / 2, 0))
    assert (sweep.best_f1, sweep.best_threshold, sweep.mean_precision) == (0.5, 0.7, 0.25)
    assert sweep.area == pytest.approx(0.5 * 0.5 / 2 + 0.5 * (1 / 4 + 1 / 4) / 2)


def test_soir_needs_a_ranking_of_its_queries():
    with pytest.raises(EvaluationError, match="none of the 1 rankings"):
        soir.evaluate_soir(soir.to_queries(ANNS), {"other": rank({"g1": 1.0})})
