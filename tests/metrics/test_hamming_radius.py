"""Precision and recall within Hamming radii."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast import metrics


@given(seed=st.integers(0, 2**32 - 1), bits=st.integers(1, 12), queries=st.integers(0, 5), items=st.integers(0, 20))
def test_every_radius_against_the_definition(seed, bits, queries, items):
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, bits + 1, (queries, items))
    relevant = rng.random((queries, items)) < rng.random()
    curve = metrics.precision_recall_by_radius(distances, relevant, bits)
    assert curve.radius.tolist() == list(range(bits + 1))
    for radius in range(bits + 1):
        retrieved = distances <= radius
        pairs, right, total = (int(np.sum(mask)) for mask in (retrieved, retrieved & relevant, relevant))
        for value, numerator, denominator in (
            (curve.precision[radius], right, pairs),
            (curve.recall[radius], right, total),
        ):
            if denominator == 0:
                assert np.isnan(value)
            else:
                assert value == float(Fraction(numerator, denominator))


def test_the_last_radius_retrieves_everything():
    """A loop over range(bits) would forget it: here the only relevant pair lies at the last distance."""
    curve = metrics.precision_recall_by_radius([[0, 4]], [[False, True]], bits=4)
    assert curve.radius[-1] == 4
    assert curve.recall.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert curve.precision[-1] == 0.5


def test_micro_average_weights_pairs_not_queries():
    distances = [[0, 1, 1, 1], [0, 0, 0, 0]]
    relevant = [[True, True, True, True], [False, False, False, True]]
    curve = metrics.precision_recall_by_radius(distances, relevant, bits=1)
    assert curve.precision.tolist() == [2 / 5, 5 / 8]
    assert curve.recall.tolist() == [2 / 5, 1.0]


def test_blocks_of_counts_add_up():
    rng = np.random.default_rng(1)
    distances, relevant = rng.integers(0, 17, (30, 40)).astype(np.int32), rng.random((30, 40)) < 0.2
    whole = metrics.precision_recall_by_radius(distances, relevant, 16)
    parts = [metrics.radius_counts(distances[i : i + 7], relevant[i : i + 7], 16) for i in range(0, 30, 7)]
    added = metrics.radius_curve(sum(pairs for pairs, _ in parts), sum(right for _, right in parts))
    for one, other in zip(whole, added, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("distances", "bits", "error", "words"),
    [
        ([[0, 5]], 4, ValueError, r"expected 0 to 4 .* got 0 to 5"),
        ([[-1, 0]], 4, ValueError, "got -1 to 0"),
        ([[0.0, 1.0]], 4, TypeError, "expected integers"),
        ([[0, 1, 2]], 4, ValueError, r"expected the shape of relevant, \(1, 2\)"),
        ([[0, 1]], 0, ValueError, "bits: expected the code length"),
    ],
)
def test_wrong_input_is_named(distances, bits, error, words):
    with pytest.raises(error, match=words):
        metrics.precision_recall_by_radius(distances, [[True, False]], bits)


def test_swapped_counts_are_refused():
    with pytest.raises(ValueError, match="were they swapped"):
        metrics.radius_curve([0, 1], [1, 1])
