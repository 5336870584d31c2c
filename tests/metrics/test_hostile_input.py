"""What no metric may answer wrongly: numbers that would overflow, masks, tensors, infinities, endless sizes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast import metrics
from rsir_fast.ops import relevant_ranks

RANKED = np.array([[True, False, True, False], [False, True, False, False]])
VALUES = [0.25, 0.5, 0.75]
HUGE = [2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**100]
CONFUSION = [[3, 1], [0, 2]]


def nmrr_by_definition(ranks: list[int], ng: int, limit: int) -> Fraction:
    beyond = Fraction(5 * limit, 4)
    found = [rank for rank in ranks if rank <= limit]
    total = sum(found) + (ng - len(found)) * beyond
    return (total / ng - Fraction(1 + ng, 2)) / (beyond - Fraction(1 + ng, 2))


@given(
    ranked=st.lists(st.booleans(), min_size=1, max_size=12).filter(any),
    more=st.integers(0, 2**53),
    limit=st.integers(1, 2**53),
)
def test_nmrr_of_any_size_is_correctly_rounded(ranked, more, limit):
    ranks = [rank for rank, relevant in enumerate(ranked, 1) if relevant]
    ng = min(len(ranks) + more, limit)
    if ng < len(ranks):
        return
    found = float(metrics.nmrr(ranked, ng, limit))
    assert found == float(nmrr_by_definition(ranks, ng, limit))
    assert 0 <= found <= 1


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize(
    "call",
    [
        lambda number: metrics.nmrr(RANKED, k=number),
        lambda number: metrics.nmrr(RANKED, k=[number, number]),
        lambda number: metrics.nmrr(RANKED, number),
        lambda number: metrics.nmrr(RANKED, k="mpeg7", max_relevant=number),
        lambda number: metrics.anmrr(RANKED, k=number),
        lambda number: metrics.average_precision(RANKED, number),
        lambda number: metrics.precision_at(RANKED, number),
        lambda number: metrics.recall_at(RANKED, 1, number),
        lambda number: metrics.precision_recall_curve(RANKED, points=[1, number]),
        lambda number: metrics.curve_points(number),
        lambda number: metrics.confusion_matrix([0], [number]),
        lambda number: metrics.confusion_matrix([0], [0], n_classes=number),
        lambda number: metrics.overall_accuracy([[number, 0], [0, number]]),
        lambda number: metrics.per_class_accuracy([[number, number], [0, 1]]),
        lambda number: metrics.cohen_kappa([[number, 0], [0, number]]),
        lambda number: metrics.radius_counts([[number]], [[True]], 8),
        lambda number: metrics.radius_counts([[1]], [[True]], number),
        lambda number: metrics.radius_curve([number, number], [0, 0]),
        lambda number: metrics.bootstrap_interval(VALUES, resamples=number),
        lambda number: metrics.bootstrap_interval(VALUES, seed=number),
        lambda number: metrics.RetrievalAccumulator(["a"], 4, cutoffs=[number]),
        lambda number: metrics.RetrievalAccumulator(["a"], 4, anmrr_k="mpeg7", max_relevant=number),
        lambda number: metrics.RetrievalAccumulator(["a"], number).add_ranks([1], [1], [0]),
        lambda number: metrics.RetrievalAccumulator(["a"], 4).add_ranks([number], [1], [0]),
        lambda number: metrics.RetrievalAccumulator(["a"], 4).add_ranks([1], [number], [0]),
        lambda number: metrics.RetrievalAccumulator(["a"], 4).add_ranks([1], [1], [number]),
    ],
)
def test_numbers_that_would_overflow_are_refused(call, number):
    with pytest.raises((ValueError, TypeError), match=r"^[\w, .]+: expected .*, got "):
        call(number)


def test_a_cut_off_beyond_every_rank_is_none():
    for number in HUGE:
        for divisor in ("relevant", "min", "found"):
            found = metrics.average_precision(RANKED, k=number, divisor=divisor)
            assert np.array_equal(found, metrics.average_precision(RANKED, divisor=divisor))
        assert metrics.tie_aware_map([[1, 1]], [[True, False]], k=number) == metrics.tie_aware_map([[1, 1]], [[1, 0]])


def test_labels_beyond_int64_are_not_others():
    x = np.eye(2, dtype=np.float32)
    with pytest.raises(
        ValueError, match=r"item_labels: expected integers of at most 9223372036854775807, got 18446744"
    ):
        relevant_ranks(x, x, [-1, 0], np.array([2**64 - 1, 0], np.uint64))


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 2.5, np.nan])
@pytest.mark.parametrize(
    "call",
    [
        lambda value: metrics.bootstrap_interval(VALUES, resamples=value),
        lambda value: metrics.bootstrap_interval(VALUES, seed=value),
        lambda value: metrics.compare_paired(VALUES, VALUES, seed=value),
        lambda value: metrics.curve_points(value),
        lambda value: metrics.radius_counts([[1]], [[True]], value),
    ],
)
def test_settings_that_are_no_whole_numbers_are_refused(call, value):
    with pytest.raises((ValueError, TypeError), match=r"^\w+: expected "):
        call(value)


ARRAYS = {
    "average_precision": (metrics.average_precision, RANKED),
    "nmrr": (metrics.nmrr, RANKED),
    "precision_at": (lambda x: metrics.precision_at(x, [1, 2]), RANKED),
    "cutoffs": (lambda x: metrics.precision_at(RANKED, x), np.array([1, 3])),
    "n_relevant": (lambda x: metrics.recall_at(RANKED, 2, x), np.array([2, 3])),
    "distances": (lambda x: metrics.expected_average_precision(x, RANKED), np.array([[1.0, 1, 2, 2], [3, 1, 1, 1]])),
    "radius": (lambda x: metrics.radius_counts(x, RANKED, 4)[0], np.array([[1, 1, 2, 2], [3, 1, 1, 1]])),
    "labels": (lambda x: metrics.confusion_matrix(x, [0, 1, 1]), np.array([0, 1, 0])),
    "confusion": (metrics.per_class_accuracy, np.array(CONFUSION)),
    "mean": (lambda x: np.array(metrics.mean_over_queries(x)), np.array(VALUES)),
    "bootstrap": (lambda x: np.array(metrics.bootstrap_interval(x, resamples=50)), np.array(VALUES)),
    "paired": (
        lambda x: np.array(metrics.compare_paired(x, [0.5, 0.5, 0.5], resamples=50).difference),
        np.array(VALUES),
    ),
    "ids": (lambda x: metrics.drop_self(x, [0, 1]), np.array([[0, 1], [0, 1]])),
    "self_ids": (lambda x: metrics.drop_self(np.array([[0, 1], [0, 1]]), x), np.array([0, 1])),
    "share_label": (lambda x: metrics.share_label(x, [0, 1]), np.array([0, 1])),
    "ranked_relevance": (lambda x: metrics.ranked_relevance(x, [[1, 0], [0, 1]]), RANKED[:, :2]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_tensors_are_arrays_and_masks_are_refused(name):
    call, array = ARRAYS[name]
    expected = call(array)
    kinds = [
        array.tolist(),
        torch.from_numpy(array),
        np.asfortranarray(array),
        array.astype(array.dtype.newbyteorder()),
    ]
    if array.dtype.kind == "f":
        kinds += [torch.from_numpy(array).requires_grad_(), torch.from_numpy(array).bfloat16().requires_grad_()]
    if array.dtype.kind == "i":
        kinds += [array.astype(np.uint64), array.astype(np.int8)]
    for kind in kinds:
        assert np.array_equal(call(kind), expected, equal_nan=True)
    for mask in (np.zeros(array.shape, bool), np.ones(array.shape, bool)):
        with pytest.raises(
            TypeError, match=r"expected an array without mask, got a masked array; fill it with \w+.filled"
        ):
            call(np.ma.masked_array(array, mask))
    if array.ndim == 2:
        with pytest.raises(TypeError, match="expected an array without mask"):
            call([np.ma.masked_array(row, True) for row in array])


@pytest.mark.parametrize("infinity", [math.inf, -math.inf])
def test_infinities_are_not_left_out(infinity):
    for call in (
        metrics.mean_over_queries,
        metrics.bootstrap_interval,
        lambda x: metrics.compare_paired(x, [0.0, 0.0, 0.0]),
        lambda x: metrics.compare_paired([0.0, 0.0, 0.0], x),
    ):
        with pytest.raises(ValueError, match=rf"expected finite values, or NaN .*, got {infinity} in 1 of 3"):
            call([0.5, infinity, math.nan])


def test_what_holds_no_numbers_is_named():
    for values in ([[1.0], [1.0, 2.0]], ["0.5"], [None], np.array([1 + 1j]), [object()]):
        with pytest.raises(TypeError, match="^values: expected "):
            metrics.bootstrap_interval(values)


def test_confusion_matrices_are_bounded():
    words = "true, predicted: expected class indices below 16384, whose matrix takes 2 GiB, got 1000000000; number the"
    with pytest.raises(ValueError, match=words):
        metrics.confusion_matrix([0, 10**9], [0, 1])
    with pytest.raises(ValueError, match="n_classes: expected a number of at most 16384, got 100000"):
        metrics.confusion_matrix([0], [0], n_classes=100_000)
    assert metrics.confusion_matrix([0], [0], n_classes=3).shape == (3, 3)
