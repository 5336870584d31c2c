"""Ties against brute force: every order of every group of tied items, in fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast import metrics

tied_lists = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=7)
cutoffs = st.one_of(st.none(), st.integers(1, 9))
divisors = st.sampled_from(["relevant", "min", "found"])
fixed_divisors = st.sampled_from(["relevant", "min"])


def every_order(distances: list[int], relevant: list[bool]) -> list[list[bool]]:
    """All rankings that the distances allow, each as often as item orders give it."""
    groups = [[r for d, r in zip(distances, relevant, strict=True) if d == level] for level in sorted(set(distances))]
    return [[r for group in chosen for r in group] for chosen in product(*(permutations(g) for g in groups))]


def exact_ap(ranked: list[bool], k: int | None, divisor: str) -> Fraction:
    top = ranked if k is None else ranked[:k]
    total = sum((Fraction(sum(top[: i + 1]), i + 1) for i, right in enumerate(top) if right), Fraction(0))
    if divisor == "found":
        return total / max(sum(top), 1)
    cut = k is not None and divisor == "min"
    return total / (min(k, sum(ranked)) if cut else sum(ranked))


@given(items=tied_lists, k=cutoffs, divisor=divisors)
def test_closed_forms_against_all_orders(items, k, divisor):
    distances, relevant = (list(column) for column in zip(*items, strict=True))
    expected = float(metrics.expected_average_precision(distances, relevant, k, divisor))
    orders = every_order(distances, relevant)
    exact = []
    if divisor != "found":
        worst, best = (float(bound) for bound in metrics.average_precision_bounds(distances, relevant, k, divisor))
        exact += [(worst, min), (best, max)]
    if not any(relevant):
        assert np.isnan([expected, *(value for value, _ in exact)]).all()
        return
    values = [exact_ap(ranked, k, divisor) for ranked in orders]
    for value, of in ((expected, lambda all_of_them: sum(all_of_them) / len(all_of_them)), *exact):
        assert abs(Fraction(value) - of(values)) <= of(values) * 2 / 10**15


@given(items=tied_lists)
def test_precision_and_recall_at_n_against_all_orders(items):
    distances, relevant = (list(column) for column in zip(*items, strict=True))
    orders, numbers = every_order(distances, relevant), [9, *range(1, len(items) + 1)]
    precision, recall = (
        measure(distances, relevant, numbers) for measure in (metrics.expected_precision_at, metrics.expected_recall_at)
    )
    for n, p, r in zip(numbers, precision.tolist(), recall.tolist(), strict=True):
        hits = Fraction(sum(sum(ranked[:n]) for ranked in orders), len(orders))
        assert abs(Fraction(p) - hits / n) <= hits / n / 10**15
        assert abs(Fraction(r) - hits / sum(relevant)) <= hits / 10**15 if any(relevant) else np.isnan(r)
    assert float(metrics.expected_recall_at(distances, relevant, 9)) == recall[0] or not any(relevant)


def test_the_number_found_in_a_long_tie_against_fractions():
    """Hypergeometric chances whose first is 1e-300, against binomial coefficients in whole numbers."""
    size, right, before, k = 1500, 700, 3, 603
    relevant = [True, False, True, *([True] * right), *([False] * (size - right))]
    value = float(metrics.expected_average_precision([0, 0.5, 1, *([2] * size)], relevant, k, "found"))
    taken, first = k - before, Fraction(1) + Fraction(2, 3)
    each = sum(Fraction(1, before + i) for i in range(1, taken + 1))
    later = sum(Fraction(i - 1, before + i) for i in range(1, taken + 1))
    exact = Fraction(0)
    for x in range(taken + 1):
        chance = Fraction(comb(right, x) * comb(size - right, taken - x), comb(size, taken))
        inside = Fraction(x, taken) * (3 * each + Fraction(x - 1, taken - 1) * later)
        exact += chance * (first + inside) / (2 + x)
    assert value == pytest.approx(float(exact), rel=1e-12)


@given(items=tied_lists, k=cutoffs, divisor=fixed_divisors)
def test_map_from_one_sort_is_the_mean_of_the_separate_functions(items, k, divisor):
    distances, relevant = (np.array([column, column[::-1]]) for column in zip(*items, strict=True))
    scores = metrics.tie_aware_map(distances, relevant, k, divisor)
    worst, best = metrics.average_precision_bounds(distances, relevant, k, divisor)
    separate = (
        metrics.expected_average_precision(distances, relevant, k, divisor),
        metrics.average_precision(metrics.rank_by_distance(distances, relevant), k=k, divisor=divisor),
        worst,
        best,
    )
    np.testing.assert_array_equal(scores, [metrics.mean_over_queries(values).value for values in separate])


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.float32, np.float64])
def test_without_ties_all_four_rules_agree(dtype):
    rng = np.random.default_rng(3)
    distances = np.stack([rng.permutation(200) for _ in range(20)]).astype(dtype)
    relevant = rng.random((20, 200)) < 0.1
    scores = metrics.tie_aware_map(distances, relevant)
    assert scores.by_index == scores.worst == scores.best
    assert scores.expected == pytest.approx(scores.by_index, rel=1e-14)


def test_order_is_by_distance_then_index():
    """Long ties with many items: an unstable sort changes their order, and with it the score, between processors."""
    rng = np.random.default_rng(4)
    distances, relevant = rng.integers(0, 5, (6, 3000)), rng.random((6, 3000)) < 0.5
    for table in (distances, distances.astype(np.float32), distances.astype(np.uint8), np.asfortranarray(distances)):
        ranked = metrics.rank_by_distance(table, relevant)
        for row, right, answer in zip(distances.tolist(), relevant, ranked, strict=True):
            order = sorted(range(len(row)), key=lambda item: (row[item], item))
            assert answer.tolist() == right[order].tolist()


def test_nan_ranks_last_and_ties_with_nan():
    distances = [np.nan, np.inf, 0.0, np.nan, -np.inf]
    relevant = [True, False, False, False, True]
    assert metrics.rank_by_distance(distances, relevant).tolist() == [True, False, False, True, False]
    worst, best = metrics.average_precision_bounds(distances, relevant)
    assert float(best) == (1 + 2 / 4) / 2
    assert float(worst) == (1 + 2 / 5) / 2
    assert float(metrics.expected_average_precision(distances, relevant)) == pytest.approx((1.5 + 1.4) / 4, rel=1e-15)


def test_infinities_tie_with_themselves_and_zeros_of_both_signs_tie():
    assert float(metrics.expected_average_precision([np.inf, np.inf], [True, False])) == 0.75
    assert float(metrics.expected_average_precision([0.0, -0.0], [False, True])) == 0.75


@given(seed=st.integers(0, 2**32 - 1), queries=st.integers(1, 8), items=st.integers(1, 400))
def test_bits_do_not_depend_on_blocks_or_layout(seed, queries, items):
    rng = np.random.default_rng(seed)
    distances = rng.integers(0, rng.integers(1, 40), (queries, items))
    relevant = rng.random((queries, items)) < rng.random()
    for k, divisor in ((None, "min"), (7, "min"), (7, "found")):
        whole = metrics.expected_average_precision(distances, relevant, k, divisor)
        single = [
            metrics.expected_average_precision(d, r, k, divisor) for d, r in zip(distances, relevant, strict=True)
        ]
        assert whole.tobytes() == np.array(single).tobytes()
        turned = metrics.expected_average_precision(
            np.asfortranarray(distances), np.asfortranarray(relevant), k, divisor
        )
        assert whole.tobytes() == turned.tobytes()


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0)])
def test_empty_inputs(shape):
    distances, relevant = np.zeros(shape), np.zeros(shape, dtype=bool)
    assert np.isnan(metrics.expected_average_precision(distances, relevant)).all()
    assert metrics.expected_average_precision(distances, relevant).shape == shape[:1]
    assert np.isnan(metrics.tie_aware_map(distances, relevant)).all()
    assert metrics.rank_by_distance(distances, relevant).shape == shape


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"distances: expected the shape of relevant, \(2,\), got \(3,\)"):
        metrics.expected_average_precision([1, 2, 3], [True, False])
    with pytest.raises(TypeError, match="distances: expected integers or floats, got bool"):
        metrics.rank_by_distance([True, False], [True, False])
    for function in (metrics.average_precision_bounds, metrics.tie_aware_map):
        with pytest.raises(ValueError, match="divisor: expected one of 'relevant', 'min', got 'found'"):
            function([[0, 1]], [[True, False]], 1, "found")
