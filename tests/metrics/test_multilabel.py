"""Graded relevance against scikit-learn, against every order of ties, and against the measures of one label."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from rsir_fast import metrics
from rsir_fast.metrics import TiedGains


@pytest.mark.parametrize("levels", [1000, 4])
def test_ndcg_is_that_of_scikit_learn_which_averages_over_ties(levels):
    rng = np.random.default_rng(levels)
    distances, shared = rng.integers(0, levels, (20, 30)), rng.integers(0, 5, (20, 30))
    for k in (1, 3, 30):
        linear = [ndcg_score([r], [-d], k=k) for d, r in zip(distances, shared, strict=True)]
        assert metrics.ndcg_at(distances, shared, k, "linear") == pytest.approx(np.array(linear), abs=1e-12)
        steep = [ndcg_score([2.0**r - 1], [-d], k=k) for d, r in zip(distances, shared, strict=True)]
        assert metrics.ndcg_at(distances, shared, [k])[:, 0] == pytest.approx(np.array(steep), abs=1e-12)


def test_acg_and_weighted_ap_are_means_over_all_orders_of_ties():
    rng = np.random.default_rng(3)
    for _ in range(5):
        distances, shared = rng.integers(0, 3, 6), rng.integers(0, 4, 6)
        acg, weighted = [], []
        for order in map(list, permutations(range(6))):
            ranked = shared[order][np.argsort(distances[order], kind="stable")]
            running = np.cumsum(ranked) / np.arange(1, 7)
            acg.append(running)
            weighted.append(running[ranked > 0].mean())
        assert metrics.acg_at(distances, shared, range(1, 7)) == pytest.approx(np.mean(acg, 0), abs=1e-12)
        assert float(metrics.weighted_average_precision(distances, shared)) == pytest.approx(np.mean(weighted))


def test_one_shared_label_at_most_is_relevance_of_classes():
    rng = np.random.default_rng(4)
    distances, relevant = rng.integers(0, 9, (15, 40)), rng.random((15, 40)) < 0.2
    relevant[3] = False
    weighted = metrics.weighted_average_precision(distances, relevant.astype(int))
    np.testing.assert_allclose(weighted, metrics.expected_average_precision(distances, relevant), rtol=1e-12)
    found = relevant.any(1)
    acg = metrics.acg_at(distances, relevant.astype(int), [1, 7, 60])
    np.testing.assert_allclose(acg[found], metrics.expected_precision_at(distances, relevant, [1, 7, 60])[found], 1e-12)
    assert np.isnan([weighted[3], *acg[3], metrics.ndcg_at(distances, relevant.astype(int), 5)[3]]).all()


def test_a_row_has_the_same_bits_alone_and_shared_labels_are_counted():
    rng = np.random.default_rng(5)
    queries, items = rng.random((6, 9)) < 0.4, rng.random((50, 9)) < 0.4
    shared = metrics.shared_labels(queries, items)
    assert shared.tolist() == [[sum(a and b for a, b in zip(q, i, strict=True)) for i in items] for q in queries]
    distances = rng.integers(0, 5, (6, 50))
    whole = TiedGains.sort(distances, shared)
    for row in range(6):
        one = TiedGains.sort(distances[row : row + 1], shared[row : row + 1])
        assert one.weighted_average_precision().tobytes() == whole.weighted_average_precision()[row].tobytes()
        assert one.ndcg_at([3, 50]).tobytes() == whole.ndcg_at([3, 50])[row].tobytes()
        assert one.acg_at([3, 50]).tobytes() == whole.acg_at([3, 50])[row].tobytes()
    with pytest.raises(ValueError, match=r"label sets: expected \[q, c\] and \[n, c\]"):
        metrics.shared_labels(queries, items[:, :5])
    with pytest.raises(ValueError, match="shared"):
        metrics.ndcg_at([1, 2], [-1, 2], 1)
