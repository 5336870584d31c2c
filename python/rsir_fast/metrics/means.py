"""The mean over queries, with the queries that have no right answer counted apart."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rsir_fast.metrics._inputs import as_values

__all__ = ["QueryMean", "mean_over_queries"]


class QueryMean(NamedTuple):
    """A mean over queries and what it was taken over.

    Attributes
    ----------
    value
        Mean over the queries that have a value; NaN if none has.
    queries
        Number of queries in all.
    queries_without_relevant
        How many of them have no relevant item (their value is NaN) and are not in the mean.
    """

    value: float
    queries: int
    queries_without_relevant: int


def mean_over_queries(values: ArrayLike) -> QueryMean:
    """Average per-query values, leaving out NaN: the queries without a relevant item.

    The sum is correctly rounded (`math.fsum`), so the mean has the same bits for every order of the queries and every
    division into blocks. A query whose value is 0 is a failed query and stays in the mean.

    Parameters
    ----------
    values
        Array of any shape of floats, one per query, as `average_precision` and `nmrr` return them.

    Returns
    -------
    QueryMean
        Mean, number of queries, and number of queries left out.

    Raises
    ------
    TypeError, ValueError
        The values are no floats, or one is infinite.

    Examples
    --------
    >>> mean_over_queries([1.0, 0.0, float("nan")])
    QueryMean(value=0.5, queries=3, queries_without_relevant=1)
    """
    flat = as_values(values, "values").ravel()
    present = flat[~np.isnan(flat)]
    value = math.fsum(present.tolist()) / len(present) if len(present) else math.nan
    return QueryMean(value, len(flat), len(flat) - len(present))
