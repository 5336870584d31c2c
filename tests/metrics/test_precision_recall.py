"""Precision and recall at n and the macro-averaged curve."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast import metrics


def test_precision_and_recall_at_n():
    row = [True, False, True, False]
    assert metrics.precision_at(row, [1, 2, 3, 4]).tolist() == [1.0, 0.5, 2 / 3, 0.5]
    assert metrics.recall_at(row, [1, 2, 3, 4]).tolist() == [0.5, 0.5, 1.0, 1.0]
    assert float(metrics.precision_at(row, 3)) == 2 / 3


def test_the_last_item_counts():
    """A slice that stops one short would lose it."""
    assert float(metrics.recall_at([False, False, True], 3)) == 1.0
    assert float(metrics.precision_at([False, False, True], 3)) == 1 / 3


def test_n_beyond_the_list_divides_precision_by_n():
    assert float(metrics.precision_at([True, True], 8)) == 0.25
    assert float(metrics.recall_at([True, True], 8, n_relevant=4)) == 0.5


def test_cutoffs_in_any_order_and_repeated():
    rows = [[True, False, True], [False, True, True]]
    assert metrics.precision_at(rows, [3, 1, 3]).tolist() == [[2 / 3, 1.0, 2 / 3], [2 / 3, 0.0, 2 / 3]]
    assert metrics.recall_at(rows, [3, 1]).tolist() == [[1.0, 0.5], [1.0, 0.0]]
    assert metrics.precision_at(rows, []).shape == (2, 0)


def test_query_without_relevant_items():
    rows = [[True, False], [False, False]]
    assert np.isnan(metrics.recall_at(rows, 2)[1])
    curve = metrics.precision_recall_curve(rows)
    assert curve.precision.tolist() == [1.0, 0.5]
    assert curve.recall.tolist() == [1.0, 1.0]
    nothing = metrics.precision_recall_curve([[False, False]])
    assert np.isnan(nothing.precision).all()
    assert np.isnan(nothing.recall).all()


@given(seed=st.integers(0, 2**32 - 1), queries=st.integers(1, 10), items=st.integers(1, 30), missing=st.integers(0, 3))
def test_curve_is_the_mean_of_precision_and_recall_at_n(seed, queries, items, missing):
    rng = np.random.default_rng(seed)
    rows = rng.random((queries, items)) < rng.random()
    n_relevant = rows.sum(axis=1) + missing
    curve = metrics.precision_recall_curve(rows, n_relevant)
    assert curve.n.tolist() == list(range(1, items + 1))
    asked = [q for q in range(queries) if n_relevant[q]]
    for column, n in enumerate(curve.n.tolist()):
        hits = [int(rows[q, :n].sum()) for q in asked]
        if not asked:
            assert np.isnan(curve.precision[column])
            continue
        precision = Fraction(sum(hits), n * len(asked))
        recall = sum(Fraction(h, int(n_relevant[q])) for h, q in zip(hits, asked, strict=True)) / len(asked)
        assert curve.precision[column] == float(precision)
        assert math.isclose(curve.recall[column], recall, rel_tol=1e-15)


@given(seed=st.integers(0, 2**32 - 1))
def test_curve_does_not_depend_on_the_order_of_the_queries(seed):
    rng = np.random.default_rng(seed)
    rows = rng.random((9, 50)) < rng.random((9, 1))
    shuffled = rng.permutation(rows)
    for one, other in zip(metrics.precision_recall_curve(rows), metrics.precision_recall_curve(shuffled), strict=True):
        assert one.tobytes() == other.tobytes()


def test_recall_over_many_different_numbers_of_relevant_items_is_not_worn_by_rounding():
    n_relevant = np.arange(1, 5001)
    curve = metrics.precision_recall_curve(np.ones((5000, 1), dtype=bool), n_relevant)
    exact = sum(Fraction(1, int(r)) for r in n_relevant) / 5000
    assert abs(Fraction(float(curve.recall[0])) - exact) <= exact / 2**52


def test_chosen_points_are_sorted_and_unique():
    curve = metrics.precision_recall_curve([[True, False, False]], points=[3, 1, 3, 1000])
    assert curve.n.tolist() == [1, 3, 1000]
    assert curve.precision.tolist() == [1.0, 1 / 3, 0.001]


@pytest.mark.parametrize("length", [0, 1, 19, 99, 100, 101, 113, 2099, 31_499])
def test_default_points(length):
    points = metrics.curve_points(length)
    assert points[:100].tolist() == list(range(1, min(length, 100) + 1))
    assert (np.diff(points) > 0).all()
    assert len(points) <= 160
    if length:
        assert points[-1] == length


@pytest.mark.parametrize("n", [0, -1, [1, 0]])
def test_cutoffs_below_1_are_refused(n):
    with pytest.raises(ValueError, match="ranks are counted from 1"):
        metrics.precision_at([True], n)


def test_wrong_input_is_named():
    with pytest.raises(TypeError, match="n: expected integers of 1 or more, got float64"):
        metrics.recall_at([True], 1.5)
    with pytest.raises(ValueError, match=r"n: expected one number or a list of them, got shape \(1, 1\)"):
        metrics.recall_at([True], [[1]])
    with pytest.raises(ValueError, match="length: expected a number of at least 0, got -1"):
        metrics.curve_points(-1)
