"""Average precision of ranked lists, whole or cut at k, and its mean over queries."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.metrics._hits import RankedHits, ratio_or_nan
from rsir_fast.metrics._inputs import MOST, as_cutoff, check_choice
from rsir_fast.metrics.means import mean_over_queries

__all__ = ["Divisor", "Empty", "average_precision", "mean_average_precision"]

Divisor = Literal["relevant", "min", "found"]
Empty = Literal["nan", "zero"]


def average_precision(
    relevant_ranked: ArrayLike,
    n_relevant: ArrayLike | None = None,
    k: int | None = None,
    divisor: Divisor = "min",
    *,
    empty: Empty = "nan",
) -> NDArray[np.float64]:
    """Average precision (AP) of every query.

    ``AP = (1 / R) * sum over relevant items of (number of relevant items at or above its rank / its rank)``,
    ranks counted from 1. With a cut-off `k` the sum runs over the first k ranks only, and `divisor` replaces R.

    Parameters
    ----------
    relevant_ranked
        [..., n] bool (or integers 0 and 1): whether the item at each rank is relevant, best item first. The query's
        own item must not be in the list (see `drop_self`), unless it is meant to count.
    n_relevant
        R, one integer or [...]: relevant items in the whole database. Needed where the lists are truncated; items
        that are not in the list count as never found. Default: the number in each list.
    k
        Cut-off, 1 or more; may exceed n. Default: none.
    divisor
        What AP@k divides by: ``"relevant"`` R; ``"min"`` min(k, R), so that a perfect list scores 1; ``"found"`` the
        relevant items found within k (a query that found none scores 0), which rewards finding few. Without `k`, the
        first two are the same.
    empty
        Value of a query with R = 0: ``"nan"``, which the means leave out, or ``"zero"``.

    Returns
    -------
    numpy.ndarray
        [...] float64 in [0, 1], or NaN. The same bits for every block of queries and memory layout.

    Raises
    ------
    TypeError
        If `relevant_ranked` or a count has a wrong dtype.
    ValueError
        If a shape, count, `k`, `divisor` or `empty` is not as described.

    Notes
    -----
    O(number of elements) to find the relevant items, then O(number of relevant items).

    Examples
    --------
    >>> average_precision([[True, False, True], [False, False, True]]).round(4).tolist()
    [0.8333, 0.3333]
    >>> float(average_precision([True, False, True], n_relevant=4, k=2))  # one found by rank 2, min(2, 4) = 2
    0.5
    """
    check_choice(empty, ("nan", "zero"), "empty")
    hits = RankedHits.find(relevant_ranked, n_relevant)
    values = average_precision_of(hits, k, divisor)
    if empty == "zero":
        values[hits.n_relevant == 0] = 0.0
    return values.reshape(hits.shape)


def mean_average_precision(
    relevant_ranked: ArrayLike,
    n_relevant: ArrayLike | None = None,
    k: int | None = None,
    divisor: Divisor = "min",
    *,
    empty: Empty = "nan",
) -> float:
    """Mean of `average_precision` over queries (mAP).

    A query with R = 0 is left out, or counts 0 with ``empty="zero"``; a query that finds nothing counts 0. For the
    number of queries left out, apply `mean_over_queries` to the result of `average_precision`.

    Parameters
    ----------
    relevant_ranked, n_relevant, k, divisor, empty
        As for `average_precision`.

    Returns
    -------
    float
        mAP in [0, 1]; NaN if no query has a relevant item.

    Raises
    ------
    TypeError, ValueError
        As `average_precision`.

    Examples
    --------
    >>> mean_average_precision([[True, False], [False, True], [False, False]])
    0.75
    """
    return mean_over_queries(average_precision(relevant_ranked, n_relevant, k, divisor, empty=empty)).value


def average_precision_of(hits: RankedHits, k: int | None = None, divisor: Divisor = "min") -> NDArray[np.float64]:
    """AP of every query of `hits`: [m] float64, NaN where R = 0."""
    check_choice(divisor, ("relevant", "min", "found"), "divisor")
    cutoff = as_cutoff(k)
    most = MOST if cutoff is None else cutoff
    total = hits.sum_precisions(most)
    if divisor == "found":
        found = hits.count_within(np.array([most]))[:, 0]
        divide_by = np.where(hits.n_relevant > 0, np.maximum(found, 1.0), 0.0)
    else:
        divide_by = fixed_divisor(hits.n_relevant, cutoff, divisor)
    return ratio_or_nan(total, divide_by)


def fixed_divisor(n_relevant: NDArray[np.int64], k: int | None, divisor: Divisor) -> NDArray[np.float64]:
    """R or min(k, R): [m] float64."""
    cut = n_relevant if k is None or divisor != "min" else np.minimum(n_relevant, k)
    return cut.astype(np.float64)
