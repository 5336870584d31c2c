"""The mean over queries."""

from __future__ import annotations

import math

import numpy as np

from rsir_fast import metrics


def test_failed_queries_stay_and_undefined_ones_go():
    """A query whose AP is 0 has right answers that were not found: dropping it would flatter the mean."""
    assert metrics.mean_over_queries([1.0, 0.0, 0.0, math.nan]) == (1 / 3, 4, 1)


def test_nothing_to_average():
    assert math.isnan(metrics.mean_over_queries([]).value)
    assert metrics.mean_over_queries([math.nan])[1:] == (1, 1)


def test_every_order_gives_the_same_bits():
    rng = np.random.default_rng(0)
    values = rng.random(10_000) ** 9
    means = {metrics.mean_over_queries(rng.permutation(values)).value for _ in range(10)}
    assert len(means) == 1
