"""Fixed examples with known exact answers: codes with ties, NMRR, and 21 classes of identical codes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import pytrec_eval
from sklearn.metrics import average_precision_score

from rsir_fast import metrics

QUERY_CODES = np.array([[1, -1, 1, 1], [-1, 1, -1, -1], [1, -1, -1, -1]])
ITEM_CODES = np.array(
    [
        [1, -1, -1, -1],
        [-1, 1, 1, -1],
        [1, 1, 1, -1],
        [-1, -1, 1, 1],
        [1, 1, -1, -1],
        [1, 1, 1, -1],
        [-1, 1, -1, -1],
    ]
)
QUERY_LABELS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]])
ITEM_LABELS = np.array([[0, 1, 0], [1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0]])

DISTANCES = np.count_nonzero(QUERY_CODES[:, None, :] != ITEM_CODES[None, :, :], axis=2)
RELEVANT = metrics.share_label(QUERY_LABELS, ITEM_LABELS)


def is_exactly(value: float, exact: Fraction) -> bool:
    """Equal up to 1e-15 of the exact value, judged without rounding."""
    return abs(Fraction(float(value)) - exact) <= exact / 10**15


def test_map_of_the_codes_under_every_rule_for_ties():
    scores = metrics.tie_aware_map(DISTANCES, RELEVANT)
    assert is_exactly(scores.by_index, Fraction(1139, 1890))
    assert is_exactly(scores.expected, Fraction(3677, 6300))
    assert is_exactly(scores.worst, Fraction(2557, 4725))
    assert is_exactly(scores.best, Fraction(1189, 1890))


def test_average_precision_of_each_query_by_index():
    values = metrics.average_precision(metrics.rank_by_distance(DISTANCES, RELEVANT))
    for value, exact in zip(values, [Fraction(122, 315), Fraction(1), Fraction(53, 126)], strict=True):
        assert is_exactly(value, exact)


def test_average_precision_of_each_query_in_expectation():
    values = metrics.expected_average_precision(DISTANCES, RELEVANT)
    for value, exact in zip(values, [Fraction(1457, 3780), Fraction(217, 225), Fraction(379, 945)], strict=True):
        assert is_exactly(value, exact)


def test_float_distances_give_the_same_as_integers():
    assert metrics.tie_aware_map(DISTANCES.astype(np.float32), RELEVANT) == metrics.tie_aware_map(DISTANCES, RELEVANT)


@pytest.mark.parametrize(("divisor", "published"), [("found", 0.594444), ("min", 0.507407), ("relevant", 0.507407)])
def test_map_at_5_under_the_three_divisors(divisor, published):
    ranked = metrics.rank_by_distance(DISTANCES, RELEVANT)
    assert round(metrics.mean_average_precision(ranked, k=5, divisor=divisor), 6) == published


def test_scikit_learn_takes_ties_as_one_threshold():
    """Not our rule: this pins what the other library computes on the same example, so that the difference is known."""
    values = [average_precision_score(r, -d) for r, d in zip(RELEVANT, DISTANCES, strict=True)]
    assert round(float(np.mean(values)), 6) == 0.560053


def test_trec_eval_takes_ties_by_descending_document_id():
    judged = {str(q): {f"d{i}": int(r) for i, r in enumerate(row)} for q, row in enumerate(RELEVANT)}
    run = {str(q): {f"d{i}": -float(d) for i, d in enumerate(row)} for q, row in enumerate(DISTANCES)}
    scores = pytrec_eval.RelevanceEvaluator(judged, {"map"}).evaluate(run)
    assert round(float(np.mean([score["map"] for score in scores.values()])), 6) == 0.558360

    backwards = metrics.rank_by_distance(DISTANCES[:, ::-1], RELEVANT[:, ::-1])
    assert round(metrics.mean_average_precision(backwards), 6) == 0.558360


def test_nmrr_of_ranks_1_2_4_7_30():
    ranked = np.isin(np.arange(1, 31), [1, 2, 4, 7, 30])
    for k in ("2ng", 10):
        value = metrics.nmrr(ranked, k=k)
        assert round(float(value), 6) == 0.242105
        assert float(value) == float(Fraction(46, 190))


def test_nmrr_is_0_for_a_perfect_ranking_and_1_for_nothing_within_k():
    assert float(metrics.nmrr([True] * 5 + [False] * 25)) == 0.0
    assert float(metrics.nmrr([False] * 10 + [True] * 5)) == 1.0


def test_identical_codes_of_21_classes_of_80_score_by_index_although_they_know_nothing():
    query_labels, item_labels = np.repeat(np.arange(21), 20), np.repeat(np.arange(21), 80)
    relevant = metrics.share_label(query_labels, item_labels)
    scores = metrics.tie_aware_map(np.zeros(relevant.shape, dtype=np.int32), relevant)
    assert round(scores.by_index, 3) == 0.117
    assert round(scores.expected, 3) == 0.052
    assert scores.best == 1.0

    by_index = sum(Fraction(i, 80 * c + i) for c in range(21) for i in range(1, 81)) / (21 * 80)
    total, right = 1680, 80
    expected = sum((1 + Fraction((i - 1) * (right - 1), total - 1)) / i for i in range(1, total + 1)) / total
    assert math.isclose(scores.by_index, by_index, rel_tol=1e-13)
    assert math.isclose(scores.expected, expected, rel_tol=1e-13)
