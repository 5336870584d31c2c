"""Semantic label metrics against scikit-learn and fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast import metrics


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    classes, images = rng.integers(2, 25), rng.integers(30, 500)
    true = rng.integers(0, classes, images)
    predicted = np.where(rng.random(images) < 0.6, true, rng.integers(0, classes, images))
    confusion = metrics.confusion_matrix(true, predicted, classes)
    assert np.array_equal(confusion, sklearn.metrics.confusion_matrix(true, predicted, labels=range(classes)))
    assert metrics.overall_accuracy(confusion) == pytest.approx(sklearn.metrics.accuracy_score(true, predicted))
    assert metrics.cohen_kappa(confusion) == pytest.approx(sklearn.metrics.cohen_kappa_score(true, predicted))
    present = np.unique(true)
    recalls = sklearn.metrics.recall_score(true, predicted, labels=present, average=None, zero_division=0)
    np.testing.assert_allclose(metrics.per_class_accuracy(confusion)[present], recalls)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_kappa_is_correctly_rounded(pairs):
    true, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    n = len(pairs)
    agreed = Fraction(int((true == predicted).sum()), n)
    chance = sum(Fraction(int((true == c).sum() * (predicted == c).sum()), n * n) for c in range(4))
    kappa = metrics.cohen_kappa(metrics.confusion_matrix(true, predicted))
    if chance == 1:
        assert np.isnan(kappa)
    else:
        assert kappa == float((agreed - chance) / (1 - chance))


def test_rows_are_true_classes():
    assert metrics.confusion_matrix([0], [1]).tolist() == [[0, 1], [0, 0]]
    assert metrics.confusion_matrix([1], [0], n_classes=3).tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_class_without_images_has_no_accuracy():
    values = metrics.per_class_accuracy([[3, 1, 0], [0, 0, 0], [0, 0, 2]])
    assert values[[0, 2]].tolist() == [0.75, 1.0]
    assert np.isnan(values[1])


def test_counts_too_large_for_products_in_64_bits():
    huge = np.array([[2**40, 0], [0, 2**40]])
    assert metrics.cohen_kappa(huge) == 1.0


def test_no_images():
    assert metrics.confusion_matrix([], []).shape == (0, 0)
    empty = metrics.confusion_matrix([], [], n_classes=2)
    assert empty.tolist() == [[0, 0], [0, 0]]
    assert np.isnan([metrics.overall_accuracy(empty), metrics.cohen_kappa(empty)]).all()
    assert np.isnan(metrics.per_class_accuracy(empty)).all()


@pytest.mark.parametrize(
    ("true", "predicted", "error", "words"),
    [
        ([0, 1], [0], ValueError, r"predicted: expected as many labels as true \(2\), got 1"),
        ([0, 2], [0, 1], ValueError, "true: expected indices below 2 .* got 2"),
        ([0, 1], [0, -1], ValueError, "predicted: expected class indices of 0 or more, got -1"),
        ([0, 1], [0.2, 0.8], TypeError, "predicted: .* take the argmax"),
        ([[0, 1]], [0, 1], ValueError, r"true: expected class indices \[n\], got shape \(1, 2\)"),
    ],
)
def test_wrong_labels_are_named(true, predicted, error, words):
    with pytest.raises(error, match=words):
        metrics.confusion_matrix(true, predicted, n_classes=2)


@pytest.mark.parametrize(
    ("confusion", "error", "words"),
    [
        ([[1, 2]], ValueError, "expected a square matrix"),
        ([[0.5, 0.5], [0.0, 1.0]], TypeError, "do not normalise"),
        ([[1, -1], [0, 1]], ValueError, "counts of 0 or more"),
    ],
)
def test_wrong_matrices_are_named(confusion, error, words):
    for function in (metrics.overall_accuracy, metrics.per_class_accuracy, metrics.cohen_kappa):
        with pytest.raises(error, match=words):
            function(confusion)
