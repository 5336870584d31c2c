"""How sure a mean over queries is, and whether one method is better than another on the same queries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.metrics._inputs import as_values

__all__ = ["Interval", "PairedComparison", "bootstrap_interval", "compare_paired"]

RESAMPLES = 10_000
MOST_RESAMPLES = 10_000_000
_AT_ONCE = 1 << 22
"""Draws held in memory at a time."""


class Interval(NamedTuple):
    """A confidence interval of a mean.

    Attributes
    ----------
    mean, low, high
        NaN where no query has a value.
    """

    mean: float
    low: float
    high: float


class PairedComparison(NamedTuple):
    """A method beside another on the same queries.

    Attributes
    ----------
    difference
        Mean of the second minus mean of the first, with its confidence interval.
    p_value
        Of the two-sided hypothesis that neither is better.
    queries
        Those with a value by both.
    """

    difference: Interval
    p_value: float
    queries: int


def bootstrap_interval(
    values: ArrayLike, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return the percentile bootstrap interval of a mean over queries (Efron 1979).

    Queries are drawn anew, with replacement: what another sample of queries from the same database might have given.

    Parameters
    ----------
    values : array, float [q]
        One value a query, such as AP; NaN (nothing relevant) is left out.
    level : float
        Share of resamples within the interval, above 0 and below 1.
    resamples : int, 1 to 10 million
    seed : int, 0 to 2^32 - 1
        The same seed draws the same queries on every machine.

    Returns
    -------
    Interval

    Raises
    ------
    TypeError, ValueError
        If a setting is out of range, a value is infinite, or `values` has another shape.

    Notes
    -----
    O(resamples q) time, 64 MiB.

    Examples
    --------
    >>> mean, low, high = bootstrap_interval([0.2, 0.4, 0.9, 0.5])
    >>> round(mean, 3), round(low, 3), round(high, 3)
    (0.5, 0.275, 0.775)
    """
    level, resamples, seed = _settings(level, resamples, seed)
    given = _present(_as_values(values, "values"))
    if given.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    return _interval(given, level, resamples, seed)


def compare_paired(
    first: ArrayLike, second: ArrayLike, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> PairedComparison:
    """Compare two methods query by query: bootstrap interval of the difference, randomisation test.

    The test turns the sign of each query's difference by chance, as it might have come out if neither method were
    better (Fisher 1935; Smucker, Allan, Carterette 2007 for retrieval): the p-value is the share of such sums that are
    at least as far from 0 as the one found, the found one counted in.

    Parameters
    ----------
    first, second : array, float [q]
        Values of the same queries in the same order; a query that is NaN in either is left out.
    level, resamples, seed
        As for `bootstrap_interval`.

    Returns
    -------
    PairedComparison

    Raises
    ------
    TypeError, ValueError
        If a setting is out of range, a value is infinite, or the two are not of one length.

    Notes
    -----
    O(resamples q) time, 64 MiB. Smallest p-value: 1 / (resamples + 1).

    Examples
    --------
    >>> compare_paired([0.2, 0.4, 0.9, 0.5], [0.3, 0.5, 1.0, 0.6]).p_value > 0.05  # of 4 queries nothing is sure
    True
    """
    one, other = _as_values(first, "first"), _as_values(second, "second")
    if len(one) != len(other):
        raise ValueError(f"second: expected {len(one)} values, one for each query of the first, got {len(other)}")
    level, resamples, seed = _settings(level, resamples, seed)
    differences = _present(other - one)
    if differences.size == 0:
        return PairedComparison(Interval(float("nan"), float("nan"), float("nan")), float("nan"), 0)
    draw = np.random.RandomState(seed)
    found, extreme = abs(differences.sum()), 0
    # Sums of the same differences in another order may differ in their last bits: those are as far from 0 too.
    least = found - 1e-12 * np.abs(differences).sum()
    for count in _blocks(resamples, differences.size):
        signs = draw.randint(0, 2, (count, differences.size)) * 2 - 1
        extreme += int((np.abs((signs * differences).sum(1)) >= least).sum())
    interval = _interval(differences, level, resamples, seed)
    return PairedComparison(interval, (extreme + 1) / (resamples + 1), differences.size)


def _interval(values: NDArray[np.float64], level: float, resamples: int, seed: int) -> Interval:
    draw = np.random.RandomState(seed)
    blocks = [values[draw.randint(0, values.size, (n, values.size))].mean(1) for n in _blocks(resamples, values.size)]
    low, high = np.quantile(np.concatenate(blocks), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def _blocks(resamples: int, size: int) -> list[int]:
    """Divide the resamples so that a block's draws fit in memory; the stream of draws does not depend on it."""
    most = max(1, _AT_ONCE // size)
    return [min(most, resamples - start) for start in range(0, resamples, most)]


def _as_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    found = as_values(values, name)
    if found.ndim != 1:
        raise ValueError(f"{name}: expected one value a query, [q], got shape {list(found.shape)}")
    return found


def _present(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def _settings(level: float, resamples: int, seed: int) -> tuple[float, int, int]:
    """Return them, checked."""
    if isinstance(level, bool) or not isinstance(level, (int, float, np.floating)) or not 0 < level < 1:
        raise ValueError(f"level: expected a share between 0 and 1, got {level!r}")
    count = as_count(resamples, "resamples", least=1, most=MOST_RESAMPLES, noun="")
    return float(level), count, as_count(seed, "seed", most=2**32 - 1)
