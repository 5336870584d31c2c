"""NMRR and ANMRR against their definition in fractions, and the choices of K."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast import metrics


def by_definition(ranks: list[int], ng: int, k: int, rule: str = "1.25k") -> Fraction:
    """NMRR straight from the definition of MPEG-7; relevant items without a rank lie beyond K."""
    penalty = Fraction(5, 4) * k if rule == "1.25k" else Fraction(k + 1)
    stars = [Fraction(rank) if rank <= k else penalty for rank in ranks] + [penalty] * (ng - len(ranks))
    return (sum(stars) / ng - Fraction(1 + ng, 2)) / (penalty - Fraction(1 + ng, 2))


def ranks_of(row: list[bool]) -> list[int]:
    return [rank for rank, right in enumerate(row, start=1) if right]


@given(
    row=st.lists(st.booleans(), max_size=60),
    missing=st.integers(0, 5),
    wider=st.integers(0, 30),
    rule=st.sampled_from(["1.25k", "k+1"]),
)
def test_definition_with_correct_rounding(row, missing, wider, rule):
    ng, ranks = sum(row) + missing, ranks_of(row)
    if ng == 0:
        assert np.isnan(metrics.nmrr(row, ng, penalty=rule))
        return
    assert float(metrics.nmrr(row, ng, penalty=rule)) == float(by_definition(ranks, ng, 2 * ng, rule))
    assert float(metrics.nmrr(row, ng, k=ng + wider, penalty=rule)) == float(by_definition(ranks, ng, ng + wider, rule))


@pytest.mark.parametrize(("ranks", "more"), [([1, 2, 4, 7, 30], True), ([1, 2, 3, 4, 30], False)])
def test_beyond_k_counts_as_the_next_rank_or_a_quarter_more(ranks, more):
    """The published example, and one whose items within K stand before (1 + NG) / 2 in the mean."""
    row = np.isin(np.arange(1, 31), ranks)
    usual, other = metrics.anmrr(row[None]), metrics.anmrr(row[None], penalty="k+1")
    stars = [min(rank, 11) for rank in ranks]
    assert other == pytest.approx((np.mean(stars) - 3) / (10 + 0.5 - 0.5 * 5), abs=1e-15)  # as programs in use write it
    assert (other > usual) == more
    assert metrics.anmrr([[True] * 5 + [False] * 9], penalty="k+1") == 0
    assert metrics.anmrr([[False] * 10 + [True] * 5], penalty="k+1") == 1


def test_the_next_rank_in_numbers_beyond_those_of_floats():
    k = 1 << 53
    assert metrics.anmrr([[True, False]], 2, k=k, penalty="k+1") == float(by_definition([1], 2, k, "k+1"))


def test_mpeg7_limit_needs_the_largest_class():
    rows = np.zeros((2, 40), dtype=bool)
    rows[0, [0, 9]] = True  # NG = 2: K = min(8, 20) = 8, so rank 10 lies beyond
    rows[1, :10] = True  # NG = 10: K = min(40, 20) = 20
    assert metrics.nmrr(rows, k="mpeg7").tolist() == [float(by_definition([1, 10], 2, 8)), 0.0]
    # Alone, NG = 2 is the largest: K = min(8, 4) = 4; with the true largest the first answer returns.
    assert float(metrics.nmrr(rows[0], k="mpeg7")) == float(by_definition([1, 10], 2, 4))
    assert float(metrics.nmrr(rows[0], k="mpeg7", max_relevant=10)) == float(by_definition([1, 10], 2, 8))


@given(seed=st.integers(0, 2**32 - 1), ng=st.integers(1, 9))
def test_mpeg7_and_2ng_are_the_same_for_equal_classes(seed, ng):
    rng = np.random.default_rng(seed)
    rows = rng.permuted(np.tile(np.arange(30) < ng, (5, 1)), axis=1)
    assert metrics.nmrr(rows, k="mpeg7").tobytes() == metrics.nmrr(rows, k="2ng").tobytes()


def test_rank_exactly_k_is_within_k():
    row = [False] * 9 + [True] + [False] * 5
    assert float(metrics.nmrr(row, 5)) == float(by_definition([10], 5, 10))
    assert float(metrics.nmrr(row, 5)) < 1.0
    assert float(metrics.nmrr([False, *row], 5)) == 1.0


def test_anmrr_leaves_out_queries_without_relevant_items():
    rows = [[True, False, False, False], [False, False, True, False], [False] * 4]
    assert metrics.anmrr(rows) == 0.5
    assert metrics.mean_over_queries(metrics.nmrr(rows)).queries_without_relevant == 1
    assert np.isnan(metrics.anmrr(np.zeros((2, 3), dtype=bool)))
    assert np.isnan(metrics.anmrr(np.zeros((0, 3), dtype=bool), k="mpeg7"))


def test_k_may_differ_between_queries():
    rows = [[False, False, True], [False, False, True]]
    assert metrics.nmrr(rows, k=[2, 3]).tolist() == [1.0, float(by_definition([3], 1, 3))]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": "3ng"}, "k: expected one of '2ng', 'mpeg7', got '3ng'"),
        ({"penalty": "k"}, "penalty: expected one of '1.25k', 'k\\+1', got 'k'"),
        ({"k": 1}, "K of at least NG, got K = 1 for query 0 with NG = 2"),
        ({"k": "mpeg7", "max_relevant": 1}, "max_relevant: .* got 1, but a query here has 2"),
    ],
)
def test_wrong_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        metrics.nmrr([[True, True, False]], **arguments)
