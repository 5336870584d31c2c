"""Intervals and tests of means over queries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rsir_fast.metrics import (
    bootstrap_interval,
    compare_paired,
    holm_adjusted,
    interval_over_splits,
    significance,
)


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
    found = compare_paired([0.1, 0.2, 0.3], [0.2, 0.4, 0.6])
    assert (found.p_value, found.queries, found.units, found.exact) == (2 / 8, 3, 3, True)
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


GROUPS = np.array([7, 7, 7, 2, 2, 9, 9, 9, 9, 4])


def test_classes_are_drawn_with_all_their_queries():
    """The same draws of classes, their queries put side by side one class after the other."""
    values = np.random.default_rng(5).random(10)
    values[3] = np.nan
    draws = np.random.RandomState(3).randint(0, 4, (300, 4))
    names = np.unique(GROUPS)
    means = [np.nanmean(np.concatenate([values[names[unit] == GROUPS] for unit in draw])) for draw in draws]
    found = bootstrap_interval(values, groups=GROUPS, resamples=300, seed=3)
    assert found == pytest.approx((np.nanmean(values), *np.quantile(means, [0.025, 0.975])), abs=1e-14)


def test_signs_of_classes_are_turned_in_every_way():
    rng = np.random.default_rng(6)
    first, second = rng.random((2, 10))
    turned = [
        abs(sum(sign * (second - first)[name == GROUPS].sum() for sign, name in zip(signs, (2, 4, 7, 9), strict=True)))
        for signs in itertools.product((1, -1), repeat=4)
    ]
    found = compare_paired(first, second, groups=GROUPS)
    assert found.p_value == np.mean(np.array(turned) >= abs((second - first).sum()) - 1e-12)
    assert (found.queries, found.units, found.exact) == (10, 4, True)
    assert found.difference == bootstrap_interval(second - first, groups=GROUPS)


def test_drawn_signs_come_near_all_of_them(monkeypatch):
    first, second = np.random.default_rng(7).random((2, 15))
    every = compare_paired(first, second)
    monkeypatch.setattr(significance, "EVERY_SIGN", 14)
    drawn = compare_paired(first, second)
    assert (every.exact, drawn.exact) == (True, False)
    assert drawn.p_value == pytest.approx(every.p_value, abs=0.02)


def test_holm_rejects_as_his_steps_do():
    """Smallest first: reject while p <= level / (how many are left), and stop at the first that is not."""
    p_values = np.array([0.03, 0.004, np.nan, 0.2, 0.012, 0.004, 0.9])
    adjusted = holm_adjusted(p_values)
    for level in np.linspace(0.001, 0.999, 400):
        rejected, left = set(), int((~np.isnan(p_values)).sum())
        for place in np.argsort(p_values)[:left]:
            if p_values[place] > level / left:
                break
            rejected.add(int(place))
            left -= 1
        assert rejected == set(np.flatnonzero(adjusted <= level))
    assert np.isnan(adjusted[2])
    assert holm_adjusted([0.4, 0.7]).tolist() == [0.8, 0.8]
    with pytest.raises(ValueError, match="p_values: expected numbers from 0 to 1"):
        holm_adjusted([1.5])


@pytest.mark.parametrize(("splits", "t"), [(2, 12.706205), (3, 4.302653), (4, 3.182446), (5, 2.776445), (31, 2.042272)])
def test_interval_over_splits(splits, t):
    """By tables of Student's t; the splits are 80 % for training, 20 % for testing."""
    values = np.random.default_rng(splits).random(splits)
    half = t * values.std(ddof=1) * np.sqrt(1 / splits + 0.2 / 0.8)
    found = interval_over_splits(values.tolist(), 0.2)
    assert found == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), abs=1e-6)
    assert np.isnan(interval_over_splits([0.5], 0.2).low)
    with pytest.raises(ValueError, match="tested: expected a share of at least 0, below 1, got 1"):
        interval_over_splits([0.1, 0.2], 1)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([0.1], [0.1, 0.2]), {}, "second: expected 1 values, one for each query of the first, got 2"),
        (([[0.1]], [0.1]), {}, r"first: expected one value a query, \[q\], got shape \[1, 1\]"),
        (([0.1], [0.1]), {"level": 95}, "level: expected a share between 0 and 1, got 95"),
        (([0.1], [0.1]), {"resamples": 0}, "resamples: expected at least 1, got 0"),
        (
            ([0.1], [0.1]),
            {"groups": [0.5]},
            r"groups: expected 1 whole numbers, one a query, got float64 of shape \[1\]",
        ),
    ],
)
def test_what_is_refused(arguments, settings, message):
    with pytest.raises(ValueError, match=message):
        compare_paired(*arguments, **settings)
