"""From ids to relevance: leaving the query out by its id, shared labels, padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast import metrics


def test_query_is_dropped_by_id_even_behind_its_duplicate():
    """Items 0 and 1 are the same image: query 1 finds item 0 first. Dropping the first hit would keep the query in."""
    ids = np.array([[0, 1, 2], [0, 1, 2], [2, 0, 1]])
    others = metrics.drop_self(ids, [0, 1, 2])
    assert others.tolist() == [[1, 2], [0, 2], [0, 1]]
    assert not np.array_equal(others, ids[:, 1:])


def test_a_query_left_in_flatters_the_score():
    labels = np.array([0, 0, 1, 1])
    ids = np.array([[0, 2, 1, 3], [1, 3, 0, 2], [2, 0, 3, 1], [3, 1, 2, 0]])
    relevant = metrics.share_label(labels, labels)
    included = metrics.mean_average_precision(metrics.ranked_relevance(relevant, ids))
    others = metrics.drop_self(ids, np.arange(4))
    excluded = metrics.mean_average_precision(metrics.ranked_relevance(relevant, others))
    assert (included, excluded) == pytest.approx(((1 + 2 / 3) / 2, 1 / 2))


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 6), items=st.integers(1, 20))
def test_dropping_keeps_order_and_dtype(seed, rows, items):
    rng = np.random.default_rng(seed)
    ids = np.array([rng.permutation(items) for _ in range(rows)], dtype=np.int32).reshape(rows, items)
    own = rng.integers(0, items, rows)
    others = metrics.drop_self(ids, own)
    assert others.dtype == np.int32
    assert others.shape == (rows, items - 1)
    assert others.tolist() == [[i for i in row if i != q] for row, q in zip(ids.tolist(), own.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("ids", "own", "error", "words"),
    [
        ([[1, 2]], [0], ValueError, "own id 0 exactly once in row 0, got it 0 times"),
        ([[0, 1], [1, 1]], [0, 1], ValueError, "own id 1 exactly once in row 1, got it 2 times"),
        ([[0, 1]], [0, 1], ValueError, r"one id per row of ids \(1\), got shape \(2,\)"),
        ([0, 1], [0], ValueError, r"expected \[m, n\]"),
        ([[0.0, 1.0]], [0], TypeError, "ids: expected integers"),
        ([[0, 1]], [0.0], TypeError, "self_ids: expected integers"),
    ],
)
def test_wrong_ids_are_named(ids, own, error, words):
    with pytest.raises(error, match=words):
        metrics.drop_self(np.array(ids), own)


def test_share_label_of_single_and_many_labels():
    assert metrics.share_label([2, 0], [0, 2, 2]).tolist() == [[False, True, True], [True, False, False]]
    queries, items = np.array([[1, 0, 1], [0, 0, 0]]), np.array([[0, 0, 1], [0, 1, 0]])
    assert metrics.share_label(queries, items).tolist() == [[True, False], [False, False]]
    assert metrics.share_label(np.zeros((0, 3), dtype=bool), items).shape == (0, 2)


def test_padding_is_not_the_last_item():
    relevant = np.array([[True, False, True]])
    assert metrics.ranked_relevance(relevant, [[1, -1, 2, -1]]).tolist() == [[False, False, True, False]]
    assert metrics.ranked_relevance(np.zeros((1, 0), dtype=bool), [[-1, -1]]).tolist() == [[False, False]]
    assert metrics.ranked_relevance(np.zeros((0, 3), dtype=bool), np.zeros((0, 2), dtype=int)).shape == (0, 2)


def test_wrong_relevance_is_named():
    with pytest.raises(ValueError, match="expected -1 or 0 to 1 .* got 0 to 2"):
        metrics.ranked_relevance([[True, False]], [[0, 2]])
    with pytest.raises(ValueError, match="expected -1 or 0 to 1 .* got -2 to 0"):
        metrics.ranked_relevance([[True, False]], [[0, -2]])
    with pytest.raises(ValueError, match=r"expected \[1, items\]"):
        metrics.ranked_relevance([[True], [False]], [[0]])
    with pytest.raises(ValueError, match=r"got shapes \(1,\) and \(1, 2\)"):
        metrics.share_label([0], [[0, 1]])
    with pytest.raises(TypeError, match="item_labels: expected integer class indices, got float64"):
        metrics.share_label([0], [0.5])
