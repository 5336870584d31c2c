"""How sure a mean over queries is, such as mAP: intervals with the query, and with the class, as what is drawn anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.metrics import bootstrap_interval
from rsir_fast.protocols.result import Part, Value

__all__ = ["LEVEL", "RESAMPLES", "Interval", "MapIntervals", "UnitInterval", "map_intervals"]

LEVEL, RESAMPLES = 0.95, 10_000
"""Of tables and tests."""
_BY_QUERY, _BY_CLASS, _FEWEST, _MOST_DRAWN = 2_000, 50_000, 500, 1 << 23
"""Resamples of an evaluation. On UC Merced the ends by query differ by 0.03 points from seed to seed, those by class by
0.05; 10,000 draws of the queries would take longer than the ranking."""


class Interval(Part):
    """The ends of a confidence interval."""

    low: Value
    high: Value


class UnitInterval(Interval):
    """The ends of a bootstrap interval, how many units it drew from, and how often."""

    units: int
    resamples: int


class MapIntervals(Part):
    """Percentile bootstrap intervals of a mean over queries: mAP, or the accuracy of labels.

    Attributes
    ----------
    level : float
        Share of the draws between the ends.
    by_query : UnitInterval
        Queries are drawn anew: it speaks of other queries of these classes to this database.
    by_class : UnitInterval or None
        Classes are drawn anew, with all their queries: it speaks of other classes. None for a single class, or none.
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
    >>> found = map_intervals([0.2, 0.2, 0.8, 0.8], np.array([0, 0, 1, 1]))
    >>> found.by_query.low, found.by_class.low, found.by_class.units
    (0.2, 0.2, 2)
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
    by_class = drawn(classes, _affordable(classes, _BY_CLASS), labels) if classes > 1 else None
    return MapIntervals(level=LEVEL, by_query=drawn(queries, number, None), by_class=by_class)


def _affordable(units: int, usual: int) -> int:
    return max(_FEWEST, min(usual, _MOST_DRAWN // units))
