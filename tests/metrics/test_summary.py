"""The accumulator: equal to the plain functions, and the same bits for every division into blocks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast import metrics

CLASSES = ["airplane", "beach", "forest", "harbor"]


def random_evaluation(seed: int, queries: int, items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rankings, query labels and R, with uneven classes and some queries without a relevant item."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), queries)
    ranked = rng.random((queries, items)) < rng.random((queries, 1)) ** 2
    return ranked, labels, ranked.sum(axis=1) + rng.integers(0, 3, queries)


@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(0, 25),
    items=st.integers(0, 150),
    block=st.integers(1, 25),
    anmrr_k=st.sampled_from(["2ng", "mpeg7"]),
    penalty=st.sampled_from(["1.25k", "k+1"]),
)
def test_blocks_and_order_do_not_change_a_bit(seed, queries, items, block, anmrr_k, penalty):
    ranked, labels, n_relevant = random_evaluation(seed, queries, items)
    largest = int(n_relevant.max(initial=0))

    def summary(order: np.ndarray, size: int) -> str:
        accumulator = metrics.RetrievalAccumulator(
            CLASSES, items, anmrr_k=anmrr_k, anmrr_penalty=penalty, max_relevant=largest
        )
        for start in range(0, len(order), size):
            part = order[start : start + size]
            accumulator.add(ranked[part], labels[part], n_relevant[part])
        return json.dumps(accumulator.result(), allow_nan=False)

    forward = np.arange(queries)
    whole = summary(forward, max(queries, 1))
    assert summary(forward, block) == whole
    assert summary(forward[::-1], block) == whole


def test_equals_the_plain_functions():
    ranked, labels, n_relevant = random_evaluation(11, 200, 300)
    accumulator = metrics.RetrievalAccumulator(CLASSES, 300, cutoffs=[10, 1, 500], map_at=20)
    accumulator.add(ranked, labels, n_relevant)
    result = accumulator.result()

    at_k = {by: metrics.mean_average_precision(ranked, n_relevant, 20, by) for by in ("found", "min", "relevant")}
    assert result["map_at"] == at_k
    assert len(set(at_k.values())) == 3
    answered = n_relevant > 0
    curve = metrics.precision_recall_curve(ranked, n_relevant)
    assert result["map"] == metrics.mean_average_precision(ranked, n_relevant)
    assert result["anmrr"] == metrics.anmrr(ranked, n_relevant)
    assert result["queries"] == 200
    assert result["queries_without_relevant"] == np.count_nonzero(~answered) > 0
    assert list(result["precision_at"]) == list(result["recall_at"]) == ["1", "10", "500"]
    for n in (1, 10, 500):
        precision = metrics.precision_at(ranked[answered], n).mean()
        recall = metrics.recall_at(ranked, n, n_relevant)[answered].mean()
        assert result["precision_at"][str(n)] == pytest.approx(precision, rel=1e-14)
        assert result["recall_at"][str(n)] == pytest.approx(recall, rel=1e-14)
    assert result["pr_curve"]["n"] == curve.n.tolist()
    assert result["pr_curve"]["precision"] == curve.precision.tolist()
    assert result["pr_curve"]["recall"] == curve.recall.tolist()
    assert [row["class"] for row in result["per_class"]] == CLASSES
    for index, row in enumerate(result["per_class"]):
        own = labels == index
        assert row["queries"] == np.count_nonzero(own)
        assert row["map"] == metrics.mean_average_precision(ranked[own], n_relevant[own])
        assert row["anmrr"] == metrics.anmrr(ranked[own], n_relevant[own])
        precision = metrics.precision_at(ranked[own & answered], 20).mean()
        assert row["precision_at_20"] == pytest.approx(precision, rel=1e-14)


@given(seed=st.integers(0, 2**32 - 1), queries=st.integers(0, 25), items=st.integers(0, 150))
def test_ranks_are_taken_like_rankings(seed, queries, items):
    ranked, labels, n_relevant = random_evaluation(seed, queries, items)
    for given_total in (None, n_relevant):
        whole, by_ranks = (metrics.RetrievalAccumulator(CLASSES, items) for _ in range(2))
        whole.add(ranked, labels, given_total)
        by_ranks.add_ranks(np.nonzero(ranked)[1] + 1, ranked.sum(axis=1), labels, given_total)
        assert json.dumps(by_ranks.result()) == json.dumps(whole.result())
        assert by_ranks.average_precision().tobytes() == whole.average_precision().tobytes()


@pytest.mark.parametrize(
    ("ranks", "counts", "words"),
    [
        ([1, 2], [1], r"ranks: expected 1, the sum of counts, got shape \(2,\)"),
        ([1, 3, 3], [1, 2], "ranks: expected 1 or more, increasing in each query, got 3 after 3 in query 1"),
        ([0], [1], "ranks: expected 1 or more.* got 0 after 0 in query 0"),
        ([1], [[1]], r"counts: expected \[m\], one per query"),
        ([1], [-1], "counts: expected counts of 0 or more"),
        ([1], [1, 0], "query_labels: expected 2, one per ranking, got 1"),
    ],
)
def test_ranks_that_are_no_ranks_are_refused(ranks, counts, words):
    accumulator = metrics.RetrievalAccumulator(CLASSES, 5)
    with pytest.raises(ValueError, match=words):
        accumulator.add_ranks(ranks, counts, [0])
    with pytest.raises(TypeError, match="ranks: expected integers, got float64"):
        accumulator.add_ranks([1.5], [1], [0])
    assert accumulator.result()["queries"] == 0


def test_queries_that_find_nothing_stay_in_the_means():
    accumulator = metrics.RetrievalAccumulator(["a"], 2)
    accumulator.add([[True, False], [False, False]], [0, 0], [1, 3])
    result = accumulator.result()
    assert (result["map"], result["anmrr"], result["queries_without_relevant"]) == (0.5, 0.5, 0)


def test_no_queries_and_classes_without_queries_are_null():
    empty = metrics.RetrievalAccumulator(CLASSES, 5).result()
    assert empty["map"] is None
    assert empty["queries"] == 0
    assert empty["precision_at"]["1"] is None
    assert empty["per_class"][0] == {
        "class": "airplane",
        "queries": 0,
        "map": None,
        "anmrr": None,
        "precision_at_20": None,
    }
    assert json.loads(json.dumps(empty, allow_nan=False)) == empty


def test_result_may_be_taken_between_blocks():
    accumulator = metrics.RetrievalAccumulator(["a"], 2)
    accumulator.add([[True, False]], [0])
    assert accumulator.result()["map"] == accumulator.result()["map"] == 1.0
    accumulator.add([[False, True]], [0])
    assert accumulator.result()["map"] == 0.75


def test_chosen_curve_points():
    accumulator = metrics.RetrievalAccumulator(["a"], 2, cutoffs=[], curve_points=[2, 20])
    accumulator.add([[True, False]], [0])
    assert accumulator.result()["pr_curve"] == {"n": [2, 20], "precision": [0.5, 0.05], "recall": [1.0, 1.0]}


def test_mpeg7_needs_the_true_largest_class():
    with pytest.raises(ValueError, match="max_relevant: needed"):
        metrics.RetrievalAccumulator(["a"], 3, anmrr_k="mpeg7")
    accumulator = metrics.RetrievalAccumulator(["a"], 3, anmrr_k="mpeg7", max_relevant=3)
    accumulator.add([[True, False, False]], [0])
    with pytest.raises(ValueError, match="over all queries, 1, got 3"):
        accumulator.result()


def test_a_refused_block_leaves_no_trace():
    accumulator = metrics.RetrievalAccumulator(["a"], 2)
    accumulator.add([[True, False]], [0])
    before = accumulator.result()
    for ranked, labels, words in (
        ([True, False], [0], r"expected \[m, n\]"),
        ([[True, False]], [0, 0], "query_labels: expected 1, one per ranking, got 2"),
        ([[True, False]], [1], "query_labels: expected indices below 1"),
    ):
        with pytest.raises(ValueError, match=words):
            accumulator.add(ranked, labels)
    with pytest.raises(ValueError, match="its list holds 1"):
        accumulator.add([[True, False]], [0], [0])
    assert accumulator.result() == before
