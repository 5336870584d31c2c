"""Intervals and tests of means over queries."""

from __future__ import annotations

import numpy as np
import pytest

from rsir_fast.metrics import bootstrap_interval, compare_paired, significance


def test_interval_of_a_large_sample_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(0.5, 0.1, 2000)
    found = bootstrap_interval(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert found.mean == values.mean()
    assert found.low == pytest.approx(values.mean() - half, abs=2e-4)
    assert found.high == pytest.approx(values.mean() + half, abs=2e-4)
    narrower = bootstrap_interval(values, level=0.5)
    assert found.low < narrower.low < narrower.mean < narrower.high < found.high


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        found = bootstrap_interval(rng.exponential(1.0, 60), resamples=400, level=0.9)
        held += found.low <= 1.0 <= found.high
    assert 0.83 <= held / 300 <= 0.95


def test_every_sign_of_a_few_queries():
    """Of 3 queries there are 8 ways to turn the signs; the found sum and its opposite are the farthest."""
    found = compare_paired([0.1, 0.2, 0.3], [0.2, 0.4, 0.6], resamples=20_000)
    assert found.p_value == pytest.approx(2 / 8, abs=0.01)
    assert found.queries == 3
    assert found.difference.mean == pytest.approx(0.2)


def test_a_difference_is_found_and_none_is_not():
    rng = np.random.default_rng(2)
    first = rng.random(500)
    better = first + rng.normal(0.02, 0.05, 500)
    found = compare_paired(first, better)
    assert found.p_value < 0.001
    assert 0 < found.difference.low < found.difference.mean < found.difference.high
    assert compare_paired(better, first).difference.mean == -found.difference.mean
    assert compare_paired(first, rng.permutation(first)).p_value > 0.01
    same = compare_paired(first, first)
    assert (same.p_value, same.difference) == (1.0, (0.0, 0.0, 0.0))


def test_under_no_difference_p_values_are_even():
    rng = np.random.default_rng(3)
    values = [compare_paired(*rng.random((2, 40)), resamples=200).p_value for _ in range(300)]
    assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.05)


def test_queries_without_a_value_are_left_out():
    first, second = [0.1, np.nan, 0.5, 0.7], [0.3, 0.9, np.nan, 0.6]
    found = compare_paired(first, second)
    assert found == compare_paired([0.1, 0.7], [0.3, 0.6])
    assert bootstrap_interval(first) == bootstrap_interval([0.1, 0.5, 0.7])
    assert all(np.isnan(bootstrap_interval([np.nan])))
    assert compare_paired([np.nan], [0.5]).queries == 0


def test_memory_changes_no_figure(monkeypatch):
    rng = np.random.default_rng(4)
    first, second = rng.random((2, 50))
    expected = bootstrap_interval(first), compare_paired(first, second)
    monkeypatch.setattr(significance, "_AT_ONCE", 777)
    assert (bootstrap_interval(first), compare_paired(first, second)) == expected


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([0.1], [0.1, 0.2]), {}, "second: expected 1 values, one for each query of the first, got 2"),
        (([[0.1]], [0.1]), {}, r"first: expected one value a query, \[q\], got shape \[1, 1\]"),
        (([0.1], [0.1]), {"level": 95}, "level: expected a share between 0 and 1, got 95"),
        (([0.1], [0.1]), {"resamples": 0}, "resamples: expected at least 1, got 0"),
    ],
)
def test_what_is_refused(arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        compare_paired(*arguments, **settings)
