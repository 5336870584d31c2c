"""The judge of search answers, judged."""

from __future__ import annotations

import numpy as np
import pytest

from rsir_fast.testing import assert_topk_equivalent

TRUTH = [[3.0, 1.0, 1.0, 2.0, np.nan]]


@pytest.mark.parametrize(
    ("distances", "ids"),
    [
        ([[1, 1, 2]], [[1, 2, 3]]),
        ([[1, 1, 2]], [[2, 1, 3]]),  # a tie, the other way round
        ([[1]], [[2]]),  # a tie cut off
        ([[1.000001, 1, 2]], [[1, 2, 3]]),  # rounding
        ([[1, 1, 2, 3, np.nan, np.inf]], [[1, 2, 3, 0, 4, -1]]),  # NaN last, then padding
        (np.zeros((1, 0)), np.zeros((1, 0), int)),
    ],
)
def test_right_answers_pass(distances, ids):
    assert_topk_equivalent(distances, ids, TRUTH)


@pytest.mark.parametrize(
    ("distances", "ids", "problem"),
    [
        ([[1, 2, 1]], [[1, 3, 2]], "not in increasing order"),
        ([[1, 2]], [[1, 3]], "an item at distance 1.0 was left out"),
        ([[1, 1, 2]], [[1, 1, 3]], "comes twice"),
        ([[1, 1, 3]], [[1, 2, 3]], "id 3 has distance 2.0, the answer says 3.0"),
        ([[1, 1]], [[1, 7]], "out of range"),
        ([[1, np.inf]], [[1, -1]], "expected 2 filled slots"),
        ([[1, 1, 2, 3, np.nan, 0]], [[1, 2, 3, 0, 4, 0]], "then -1"),
        ([[np.nan, 1]], [[4, 1]], "not in increasing order"),
        ([[1, 1, 2, np.nan]], [[1, 2, 3, 4]], "was left out"),
    ],
)
def test_wrong_answers_fail(distances, ids, problem):
    with pytest.raises(AssertionError, match=problem):
        assert_topk_equivalent(distances, ids, TRUTH)


def test_shapes_must_agree():
    with pytest.raises(AssertionError, match="differ in shape"):
        assert_topk_equivalent([[1.0]], [[1, 2]], TRUTH)
    with pytest.raises(AssertionError, match="2 answers for 1 queries"):
        assert_topk_equivalent([[1.0], [1.0]], [[1], [1]], TRUTH)
