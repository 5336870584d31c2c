"""How sure a mean over queries is, such as mAP: intervals with the query, and with the class, as what is drawn anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.metrics import bootstrap_interval
from rsir_fast.protocols.result import Part, Value

__all__ = [
    "FEWEST_CLASSES",
    "LEVEL",
    "RESAMPLES",
    "Interval",
    "MapIntervals",
    "UnitInterval",
    "accuracy_intervals",
    "map_intervals",
]

LEVEL, RESAMPLES = 0.95, 10_000
"""Of tables and tests."""
FEWEST_CLASSES = 5
"""For an interval by class: of 5 it holds the truth in 84 % of trials, not in 95, of 2 in half
(`rsir_fast.metrics.bootstrap_interval`)."""
_NORMAL = 1.959963984540054
"""Quantile of `LEVEL`."""
_BY_QUERY, _BY_CLASS, _FEWEST, _MOST_DRAWN = 2_000, 50_000, 500, 1 << 23
"""Resamples of an evaluation. On UC Merced the ends by query differ by 0.03 points from seed to seed, those by class by
0.05; 10,000 draws of the queries would take longer than the ranking."""


class Interval(Part):
    """The ends of a confidence interval."""

    low: Value
    high: Value


class UnitInterval(Interval):
    """The ends of an interval, of how many units it is, and how often a bootstrap drew from them: 0 for a formula."""

    units: int
    resamples: int


class MapIntervals(Part):
    """Intervals of a mean over queries by percentile bootstrap; of the accuracy of labels by query, Wilson's (1927).

    Attributes
    ----------
    level : float
        Share of the draws between the ends.
    by_query : UnitInterval
        Queries are drawn anew: it speaks of other queries of these classes to this database.
    by_class : UnitInterval or None
        Classes are drawn anew, with all their queries: it speaks of other classes. None of fewer than 5 classes.
    """

    level: float
    by_query: UnitInterval
    by_class: UnitInterval | None


def map_intervals(
    average_precision: ArrayLike, labels: NDArray[np.int64] | None, resamples: int | None = None
) -> MapIntervals | None:
    """Return how sure the mean of AP, or of what else queries have, is; None where none has one, or for no resamples.

    Parameters
    ----------
    average_precision : array, float [q]
        NaN where nothing is relevant.
    labels : array, int [q], or None
        Class of each query, if they have any.
    resamples : int, optional
        Draws of the queries. Default: 2,000; of more than 4,194 queries fewer, so that 2^23 are drawn in all, but at
        least 500. Classes are drawn 50,000 times, of more than 167 fewer likewise.

    Notes
    -----
    O(resamples q) time.

    Examples
    --------
    >>> found = map_intervals([0.2, 0.2, 0.8, 0.8, 0.5], np.array([0, 1, 2, 3, 4]))
    >>> round(found.by_query.low, 2), round(found.by_class.low, 2), found.by_class.units
    (0.26, 0.26, 5)
    >>> map_intervals([0.2, 0.2, 0.8, 0.8], np.array([0, 0, 1, 1])).by_class  # of two classes
    """
    values = np.asarray(average_precision, np.float64)
    there = ~np.isnan(values)
    queries, classes = int(there.sum()), 0 if labels is None else len(np.unique(labels[there]))
    if queries == 0 or resamples == 0:
        return None

    def drawn(units: int, number: int, groups: NDArray[np.int64] | None) -> UnitInterval:
        _, low, high = bootstrap_interval(values, groups=groups, level=LEVEL, resamples=number)
        return UnitInterval(low=low, high=high, units=units, resamples=number)

    number = _affordable(queries, _BY_QUERY) if resamples is None else resamples
    by_class = drawn(classes, _affordable(classes, _BY_CLASS), labels) if classes >= FEWEST_CLASSES else None
    return MapIntervals(level=LEVEL, by_query=drawn(queries, number, None), by_class=by_class)


def accuracy_intervals(right: ArrayLike, labels: NDArray[np.int64]) -> MapIntervals | None:
    """Return how sure an accuracy is; None where there is no query.

    Where all answers are alike a bootstrap always draws the same: by query the interval is Wilson's (1927), by class
    there is none then.

    Parameters
    ----------
    right : array, bool [q]
    labels : array, int [q]
        Class of each query.

    Examples
    --------
    >>> found = accuracy_intervals([True] * 6, np.arange(6))
    >>> round(found.by_query.low, 3), found.by_query.high, found.by_class
    (0.61, 1.0, None)
    """
    answers = np.asarray(right, np.float64)
    found = map_intervals(answers, labels)
    if found is None:
        return None
    n, share = len(answers), float(answers.mean())
    weight = _NORMAL**2 / n
    middle = (share + weight / 2) / (1 + weight)
    width = float(np.sqrt(weight * (share * (1 - share) + weight / 4))) / (1 + weight)
    low, high = (0.0 if share == 0 else middle - width), (1.0 if share == 1 else middle + width)
    by_query = UnitInterval(low=low, high=high, units=n, resamples=0)
    by_class = None if share in (0, 1) else found.by_class
    return MapIntervals(level=LEVEL, by_query=by_query, by_class=by_class)


def _affordable(units: int, usual: int) -> int:
    return max(_FEWEST, min(usual, _MOST_DRAWN // units))
