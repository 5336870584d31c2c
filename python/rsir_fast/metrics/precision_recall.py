"""Precision and recall after n returned items, of every query and as a curve averaged over queries."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.metrics._hits import RankedHits, ratio_or_nan
from rsir_fast.metrics._inputs import MOST, as_cutoffs, as_relevance

__all__ = [
    "PrecisionRecallCurve",
    "curve_points",
    "precision_at",
    "precision_recall_curve",
    "recall_at",
]


class PrecisionRecallCurve(NamedTuple):
    """Macro-averaged precision and recall, by number of returned items.

    Attributes
    ----------
    n
        [p] int64, numbers of returned items, ascending.
    precision, recall
        [p] float64, means over the queries that have relevant items; NaN if there is none.
    """

    n: NDArray[np.int64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def precision_at(relevant_ranked: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Precision after n returned items: the share of the first n that is relevant, for every query.

    Parameters
    ----------
    relevant_ranked
        [..., items] bool (or integers 0 and 1), best item first.
    n
        One integer or [p], each 1 or more. Where n exceeds the list, the missing items count as not relevant: the
        divisor stays n, so that lists of different lengths compare.

    Returns
    -------
    numpy.ndarray
        [...] float64 for one n, [..., p] for several. A query without relevant items has precision 0 here; the means
        (`precision_recall_curve`) leave it out.

    Raises
    ------
    TypeError, ValueError
        If an array or `n` is not as described.

    Examples
    --------
    >>> precision_at([True, False, True], [1, 2, 3, 6]).round(4).tolist()
    [1.0, 0.5, 0.6667, 0.3333]
    """
    cutoffs = as_cutoffs(n)
    return _hits_at(RankedHits.find(relevant_ranked), cutoffs) / cutoffs


def recall_at(relevant_ranked: ArrayLike, n: ArrayLike, n_relevant: ArrayLike | None = None) -> NDArray[np.float64]:
    """Recall after n returned items: the share of the R relevant items among the first n, for every query.

    Parameters
    ----------
    relevant_ranked
        [..., items] bool (or integers 0 and 1), best item first.
    n
        One integer or [p], each 1 or more. Where n exceeds the list, only the list counts.
    n_relevant
        R, one integer or [...]; needed where the lists are truncated. Default: the number in each list.

    Returns
    -------
    numpy.ndarray
        [...] float64 for one n, [..., p] for several; NaN where R = 0.

    Raises
    ------
    TypeError, ValueError
        If an array, a count or `n` is not as described.

    Examples
    --------
    >>> recall_at([True, False, True], [1, 3], n_relevant=4).tolist()
    [0.25, 0.5]
    """
    cutoffs = as_cutoffs(n)
    hits = RankedHits.find(relevant_ranked, n_relevant)
    total = hits.n_relevant.reshape(hits.shape + (1,) * cutoffs.ndim)
    return ratio_or_nan(_hits_at(hits, cutoffs), total)


def precision_recall_curve(
    relevant_ranked: ArrayLike, n_relevant: ArrayLike | None = None, points: ArrayLike | None = None
) -> PrecisionRecallCurve:
    """Precision-recall curve by number of returned items, macro-averaged.

    Every query counts the same: precision and recall after n items are averaged over the queries with R > 0. Hits are
    added up as integers, so the curve does not depend on the order of the queries.

    Parameters
    ----------
    relevant_ranked
        [..., items] bool (or integers 0 and 1), best item first.
    n_relevant
        R, one integer or [...]; needed where the lists are truncated. Default: the number in each list.
    points
        [p] numbers of returned items. Default: `curve_points` of the length of the lists.

    Returns
    -------
    PrecisionRecallCurve
        n (sorted, without repeats), precision and recall.

    Raises
    ------
    TypeError, ValueError
        If an array, a count or a point is not as described.

    Examples
    --------
    >>> curve = precision_recall_curve([[True, False], [False, True]])
    >>> curve.n.tolist(), curve.precision.tolist(), curve.recall.tolist()
    ([1, 2], [0.5, 0.5], [0.5, 1.0])
    """
    ranked = as_relevance(relevant_ranked)
    chosen = curve_points(ranked.shape[-1]) if points is None else np.unique(as_cutoffs(points, "points"))
    hits = RankedHits.find(ranked, n_relevant)
    return macro_curve(hits.count_within(chosen), hits.n_relevant, chosen)


def curve_points(length: int) -> NDArray[np.int64]:
    """Numbers of returned items at which a curve is drawn by default.

    Every n up to 100 (so the 2 to 20 of Ge et al. 2018 are always among them), then steps of one eighth, and the
    whole list last. Integer arithmetic only: the same points everywhere.

    Parameters
    ----------
    length
        Length of the ranked list, 0 or more.

    Returns
    -------
    numpy.ndarray
        [p] int64, strictly ascending, from 1 to `length`; empty for an empty list. p grows with log(length).

    Raises
    ------
    ValueError
        If `length` is negative.

    Examples
    --------
    >>> curve_points(150)[98:].tolist()
    [99, 100, 112, 126, 141, 150]
    """
    length = as_count(length, "length", most=MOST)
    points = list(range(1, min(length, 100) + 1))
    while points and points[-1] < length:
        points.append(min(points[-1] + points[-1] // 8, length))
    return np.array(points, dtype=np.int64)


def macro_curve(
    hits_within: NDArray[np.signedinteger[Any]], n_relevant: NDArray[np.int64], points: NDArray[np.int64]
) -> PrecisionRecallCurve:
    """Average over queries with R > 0, from hits [m, p], R [m] and the points [p]."""
    queries = int(np.count_nonzero(n_relevant))
    if queries == 0:
        return PrecisionRecallCurve(points, np.full(len(points), np.nan), np.full(len(points), np.nan))
    # Queries of one R are added as integers, so that only as many fractions as there are different R are left to round.
    counted = np.flatnonzero(n_relevant)
    order = counted[np.argsort(n_relevant[counted], kind="stable")]
    sizes, first = np.unique(n_relevant[order], return_index=True)
    by_size = np.split(hits_within[order], first[1:])
    hits_by_size = np.array([part.sum(axis=0, dtype=np.int64) for part in by_size])
    precision = hits_by_size.sum(axis=0) / (points.astype(np.float64) * queries)
    shares = hits_by_size / sizes[:, None]
    recall = np.array([math.fsum(column) for column in shares.T.tolist()]) / queries
    return PrecisionRecallCurve(points, precision, recall)


def _hits_at(hits: RankedHits, cutoffs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hits within cut-offs in any order: [...] for one, [..., p] for several."""
    ascending, place = np.unique(cutoffs, return_inverse=True)
    return hits.count_within(ascending)[:, place.ravel()].reshape(hits.shape + cutoffs.shape)
