"""Measures of graded relevance: how many labels an item shares with the query, and where it stands.

Ties are taken as `rsir_fast.metrics.expected_average_precision` takes them: every figure is the expectation over a
random order of tied items, in closed form, since each of them is linear in products of at most two positions. Where no
item shares more than one label, as with classes, weighted AP is AP and ACG is precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.numbers import as_integers, as_numbers
from rsir_fast.metrics._hits import ratio_or_nan
from rsir_fast.metrics._inputs import as_cutoffs, as_distances, as_relevance, check_choice
from rsir_fast.metrics.tied_ranking import TiedRanking

__all__ = ["Gain", "TiedGains", "acg_at", "ndcg_at", "shared_labels", "weighted_average_precision"]

Gain = Literal["exponential", "linear"]

MOST_SHARED = 1000
"""Labels that two items can share: 2^1000 is a float64 still. Sums of gains below 2^53 are exact."""


def shared_labels(query_sets: ArrayLike, item_sets: ArrayLike) -> NDArray[np.int64]:
    """Count the labels that each query shares with each item.

    Parameters
    ----------
    query_sets, item_sets
        [q, c] and [n, c] bool (or integers 0 and 1): which labels each has.

    Returns
    -------
    numpy.ndarray
        [q, n] int64, from 0 to c, in the order of the items.

    Raises
    ------
    TypeError, ValueError
        If an array is not as described.

    Notes
    -----
    O(q n c), as one product of matrices: whole numbers up to c, exact in float32.

    Examples
    --------
    >>> shared_labels([[1, 1, 0]], [[1, 1, 1], [0, 1, 0], [0, 0, 1]]).tolist()
    [[2, 1, 0]]
    """
    left, right = as_relevance(query_sets, "query_sets"), as_relevance(item_sets, "item_sets")
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise ValueError(f"label sets: expected [q, c] and [n, c], got shapes {left.shape} and {right.shape}")
    return np.asarray(left.astype(np.float32) @ right.astype(np.float32).T, np.int64)


def acg_at(distances: ArrayLike, shared: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Average cumulated gain: the labels that each of the first n items shares with the query, in the mean.

    ``ACG@n = (1 / n) * sum over i = 1..n of r(i)``, r(i) labels shared by the item at rank i: the cumulated gain of
    Järvelin and Kekäläinen (2002, ACM TOIS 20(4)) by n.

    Parameters
    ----------
    distances
        [..., items] integers or floats over the whole database, the query itself left out.
    shared
        [..., items] integers of 0 or more, the same order: `shared_labels`.
    n
        One integer or [p], each 1 or more; the divisor stays n where it exceeds the list.

    Returns
    -------
    numpy.ndarray
        [...] float64 for one n, [..., p] for several; NaN where no item shares a label.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> acg_at([0, 1, 2], [2, 0, 1], [1, 3]).tolist()
    [2.0, 1.0]
    """
    tied = TiedGains.sort(distances, shared)
    return _shaped(tied, tied.acg_at(n), n)


def ndcg_at(distances: ArrayLike, shared: ArrayLike, n: ArrayLike, gain: Gain = "exponential") -> NDArray[np.float64]:
    """Normalised discounted cumulated gain of the first n items.

    ``NDCG@n = (1 / Z) * sum over i = 1..n of f(r(i)) / log2(i + 1)``, Z that sum of the best order there is. f(r) is
    2^r - 1 (Burges et al. 2005, ICML; so in deep hashing, Zhao et al. 2015, CVPR) or r itself (Järvelin and Kekäläinen
    2002; `sklearn.metrics.ndcg_score`). The expectation over ties: McSherry and Najork (2008, ECIR).

    Parameters
    ----------
    distances, shared, n
        As for `acg_at`.
    gain
        ``"exponential"`` or ``"linear"``.

    Returns
    -------
    numpy.ndarray
        [...] float64 in [0, 1] for one n, [..., p] for several; NaN where no item shares a label.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> ndcg_at([0, 1], [1, 2], [1, 2]).round(4).tolist()  # 1 / 3, (1 + 3 / log2(3)) / (3 + 1 / log2(3))
    [0.3333, 0.7967]
    """
    tied = TiedGains.sort(distances, shared)
    return _shaped(tied, tied.ndcg_at(n, gain), n)


def weighted_average_precision(distances: ArrayLike, shared: ArrayLike) -> NDArray[np.float64]:
    """Weighted average precision: ACG at the rank of every item that shares a label, in the mean.

    ``WAP = (1 / R) * sum over i with r(i) > 0 of ACG@i``, R items that share a label (Zhao, Huang, Wang and Tan 2015,
    Deep semantic ranking based hashing for multi-label image retrieval, CVPR). May exceed 1. Of a tie of n items with s
    shared labels in all, r of them relevant, behind G labels, position i is expected to add
    ``(r G / n + s / n + (i - 1) s (r - 1) / (n (n - 1))) / rank``.

    Parameters
    ----------
    distances, shared
        As for `acg_at`.

    Returns
    -------
    numpy.ndarray
        [...] float64; NaN where no item shares a label.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Examples
    --------
    >>> float(weighted_average_precision([0, 1, 2], [2, 0, 1]))  # (2 + 3 / 3) / 2
    1.5
    """
    tied = TiedGains.sort(distances, shared)
    return tied.weighted_average_precision().reshape(tied.tied.shape)


@dataclass(frozen=True)
class TiedGains:
    """Rankings by distance with the labels that each item shares, sorted once for all measures; made by `sort`.

    Attributes
    ----------
    tied
        The ranking, where an item is relevant if it shares a label.
    shared
        [m, n] int64, labels shared by the item at each rank, ties by index.

    Notes
    -----
    O(n log n) time for each query; some fifteen arrays [m, n] of 8 bytes at a time.

    Examples
    --------
    >>> gains = TiedGains.sort([[0, 0]], [[2, 0]])  # first or second
    >>> gains.tied.expected().tolist(), gains.weighted_average_precision().tolist(), gains.acg_at([1]).tolist()
    ([0.75], [1.5], [[1.0]])
    """

    tied: TiedRanking
    shared: NDArray[np.int64]

    @classmethod
    def sort(cls, distances: ArrayLike, shared: ArrayLike) -> TiedGains:
        """Sort each row of `distances` [..., n] and find its ties."""
        counts = as_numbers(shared, "shared")
        if counts.ndim == 0:
            raise ValueError("shared: expected an array [..., n], got a single value; pass one row per query")
        counts = as_integers(counts, "shared", "counts", fix="count shared labels", least=0, most=MOST_SHARED)
        order = np.argsort(as_distances(distances, counts.shape), axis=-1, kind="stable")
        counts = np.take_along_axis(counts, order, axis=-1)
        tied = TiedRanking.sort(np.take_along_axis(np.asarray(distances), order, axis=-1), counts > 0)
        return cls(tied, counts.reshape(tied.ranked.shape))

    def acg_at(self, n: ArrayLike) -> NDArray[np.float64]:
        """`acg_at` of every query, [m, p]."""
        numbers = np.atleast_1d(as_cutoffs(n))
        total = self._upto(np.cumsum(self._in_mean(self.shared.astype(np.float64)), axis=1), numbers)
        return self._or_nan(total / numbers)

    def ndcg_at(self, n: ArrayLike, gain: Gain = "exponential") -> NDArray[np.float64]:
        """`ndcg_at` of every query, [m, p]."""
        check_choice(gain, ("exponential", "linear"), "gain")
        numbers = np.atleast_1d(as_cutoffs(n))
        values = (
            np.ldexp(1.0, self.shared.astype(np.int32)) - 1 if gain == "exponential" else self.shared.astype(np.float64)
        )
        discount = np.array([math.log2(rank + 1) for rank in range(1, values.shape[1] + 1)])
        ideal = -np.sort(-values, axis=1)
        found, best = (
            self._upto(np.cumsum(each / discount, axis=1), numbers) for each in (self._in_mean(values), ideal)
        )
        return ratio_or_nan(found, best)

    def weighted_average_precision(self) -> NDArray[np.float64]:
        """`weighted_average_precision` of every query, [m]."""
        tied, so_far = self.tied, self._so_far(self.shared)
        before = np.take_along_axis(so_far, tied.before, axis=1)
        inside = np.take_along_axis(so_far, tied.before + tied.size, axis=1) - before
        others = tied.offset * (tied.relevant_in - 1) / np.maximum(tied.size - 1, 1)
        terms = (tied.relevant_in * before + inside * (1 + others)) / tied.size
        ranks = np.arange(1, self.shared.shape[1] + 1)
        total = np.ascontiguousarray(terms / ranks).sum(axis=1)
        return ratio_or_nan(total, tied.n_relevant)

    def _in_mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return of each position the mean of the values [m, n] of its tie."""
        so_far, tied = self._so_far(values), self.tied
        inside = np.take_along_axis(so_far, tied.before + tied.size, axis=1)
        inside -= np.take_along_axis(so_far, tied.before, axis=1)
        # Where nothing ties the value itself: a difference of large sums may have lost its last bits.
        return np.where(tied.size == 1, values, inside / tied.size)

    def _so_far(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return sums [m, n + 1] of the first 0, 1, ... n values of each row."""
        sums = np.zeros((len(values), values.shape[1] + 1))
        np.cumsum(values, axis=1, out=sums[:, 1:])
        return sums

    def _upto(self, sums: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        if sums.shape[1] == 0:
            return np.zeros((len(sums), len(numbers)))
        return np.asarray(sums[:, np.minimum(numbers, sums.shape[1]) - 1])

    def _or_nan(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(self.tied.n_relevant[:, None] > 0, values, np.nan)


def _shaped(gains: TiedGains, values: NDArray[np.float64], n: ArrayLike) -> NDArray[np.float64]:
    """Return values [m, p] in the shape of the queries, and of n."""
    return values.reshape(gains.tied.shape + np.shape(n))
