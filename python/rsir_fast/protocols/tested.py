"""Paired tests of AP by query and by class, and their correction for the number of tests in a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsir_fast.metrics import PairedComparison, compare_paired, holm_adjusted
from rsir_fast.protocols.compare_results_result import PairTest, UnitTest
from rsir_fast.protocols.intervals import FEWEST_CLASSES, LEVEL, RESAMPLES

__all__ = ["pair_test", "with_holm"]

_BY_CLASS = 50_000
"""Draws of the classes for an interval; signs of up to 21 classes are turned in every way."""


def pair_test(
    names: tuple[str, str], first: NDArray[np.float64], second: NDArray[np.float64], labels: NDArray[np.int64] | None
) -> PairTest:
    """Compare the AP [q] of two methods on the same queries, of the classes `labels` [q], None where not known.

    By class a test is exact, however few there are; an interval is given of `FEWEST_CLASSES` and more.
    """
    by_query = compare_paired(first, second, level=LEVEL, resamples=RESAMPLES)
    by_class = None
    if labels is not None and len(np.unique(labels[~np.isnan(second - first)])) > 1:
        by_class = _tested(
            compare_paired(first, second, groups=labels, level=LEVEL, resamples=_BY_CLASS), FEWEST_CLASSES
        )
    return PairTest(
        first=names[0],
        second=names[1],
        difference=by_query.difference.mean,
        queries=by_query.queries,
        by_query=_tested(by_query),
        by_class=by_class,
    )


def with_holm(pairs: Sequence[PairTest]) -> tuple[PairTest, ...]:
    """Correct the p-values of all pairs of a table for their number, those by query and those by class apart.

    Examples
    --------
    >>> first, second, labels = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.2, 0.3, 0.4, 0.5]), np.array([0, 0, 1, 1])
    >>> found = with_holm([pair_test(("a", "b"), first, second, labels), pair_test(("a", "a"), first, first, labels)])
    >>> [(pair.by_query.p_value, pair.by_query.p_holm, pair.by_class.p_holm) for pair in found]
    [(0.125, 0.25, 1.0), (1.0, 1.0, 1.0)]
    """
    by_query = _corrected([pair.by_query for pair in pairs])
    by_class = _corrected([pair.by_class for pair in pairs])
    return tuple(
        pair.model_copy(update={"by_query": query, "by_class": of_class})
        for pair, query, of_class in zip(pairs, by_query, by_class, strict=True)
    )


def _corrected(tests: Sequence[UnitTest | None]) -> list[UnitTest | None]:
    p_values = [np.nan if test is None or test.p_value is None else test.p_value for test in tests]
    adjusted = holm_adjusted(np.array(p_values, np.float64)).tolist()
    return [
        None if test is None else UnitTest.model_validate({**dict(test), "p_holm": p_holm})
        for test, p_holm in zip(tests, adjusted, strict=True)
    ]


def _tested(found: PairedComparison, fewest: int = 0) -> UnitTest:
    _, low, high = found.difference
    ends: dict[str, float | None] = {"low": low, "high": high} if found.units >= fewest else {"low": None, "high": None}
    return UnitTest(**ends, p_value=found.p_value, units=found.units, exact=found.exact)
