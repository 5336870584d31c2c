"""The one representation all ranking metrics share: which relevant item stands at which rank.

Average precision, NMRR, precision and recall depend on nothing but the ranks of the relevant items and R. Summing over
those alone, one after the other, makes a query's value the same bits whatever block of queries it came in, however
its array lies in memory, and however many irrelevant items follow the last relevant one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.numbers import as_integers, as_numbers
from rsir_fast.metrics._inputs import MOST, as_counts, as_relevance

__all__ = ["RankedHits", "ratio_or_nan"]


@dataclass(frozen=True)
class RankedHits:
    """The relevant items of m ranked lists, in the order (query, rank).

    Attributes
    ----------
    shape
        Shape of the queries, all but the last axis of the ranking; m is its product.
    query
        [h] int64, index of the list of each relevant item, 0 to m - 1.
    rank
        [h] int64, its rank, counted from 1.
    ordinal
        [h] int64, the number of relevant items at or above it in its list.
    n_relevant
        [m] int64, R of every query; more than its list holds where the list is truncated.
    """

    shape: tuple[int, ...]
    query: NDArray[np.int64]
    rank: NDArray[np.int64]
    ordinal: NDArray[np.int64]
    n_relevant: NDArray[np.int64]

    @classmethod
    def find(cls, relevant_ranked: ArrayLike, n_relevant: ArrayLike | None = None) -> RankedHits:
        """Collect the relevant items of `relevant_ranked` [..., n]; without `n_relevant`, the lists are complete."""
        ranked = as_relevance(relevant_ranked)
        shape = ranked.shape[:-1]
        rows = ranked.reshape(int(np.prod(shape, dtype=np.int64)), ranked.shape[-1])
        query, column = (index.astype(np.int64, copy=False) for index in np.nonzero(rows))
        found = np.bincount(query, minlength=len(rows)).astype(np.int64, copy=False)
        return cls._of(shape, query, column + 1, found, n_relevant)

    @classmethod
    def of_ranks(cls, ranks: ArrayLike, counts: ArrayLike, n_relevant: ArrayLike | None = None) -> RankedHits:
        """Take the `ranks` [h] of the relevant items, `counts` [m] of them in each list, increasing in each."""
        found = as_numbers(counts, "counts")
        if found.ndim != 1:
            raise ValueError(f"counts: expected [m], one per query, got shape {found.shape}")
        found = as_counts(found, found.shape, "counts")
        rank = as_numbers(ranks, "ranks")
        total = sum(found.tolist())  # Python's: two counts may already be more than int64
        if rank.shape != (total,):
            raise ValueError(f"ranks: expected {total}, the sum of counts, got shape {rank.shape}")
        rank = as_integers(rank, "ranks", fix="ranks are counted from 1", most=MOST)
        query = np.repeat(np.arange(len(found), dtype=np.int64), found)
        lowest = np.zeros_like(rank)  # what each rank must exceed: 0 at the head of a list, else the rank before it
        np.multiply(rank[:-1], query[1:] == query[:-1], out=lowest[1:])
        if (rank <= lowest).any():
            bad = int(np.argmax(rank <= lowest))
            raise ValueError(
                f"ranks: expected 1 or more, increasing in each query, got {rank[bad]} after {lowest[bad]} "
                f"in query {query[bad]}"
            )
        return cls._of(found.shape, query, rank, found, n_relevant)

    @classmethod
    def _of(
        cls,
        shape: tuple[int, ...],
        query: NDArray[np.int64],
        rank: NDArray[np.int64],
        found: NDArray[np.int64],
        n_relevant: ArrayLike | None,
    ) -> RankedHits:
        first = np.cumsum(found) - found
        ordinal = np.arange(1, len(query) + 1, dtype=np.int64) - first[query]
        if n_relevant is None:
            return cls(shape, query, rank, ordinal, found)
        total = as_counts(n_relevant, shape).reshape(len(found))
        if (found > total).any():
            bad = int(np.argmax(found > total))
            raise ValueError(
                f"n_relevant: query {bad} has {total[bad]}, but its list holds {found[bad]} relevant items; "
                "expected the number in the whole database (the query itself left out where its list leaves it out)"
            )
        return cls(shape, query, rank, ordinal, total)

    def sum_by_query(self, values: NDArray[np.generic]) -> NDArray[np.float64]:
        """Sum `values` [h] over the hits of each query, in the order of rank: [m] float64."""
        sums = np.bincount(self.query, weights=values.astype(np.float64), minlength=len(self.n_relevant))
        return sums.astype(np.float64, copy=False)

    def count_within(self, cutoffs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the relevant items among the first n, for each n of strictly ascending `cutoffs` [p]: [m, p] int64."""
        columns = len(cutoffs) + 1  # one more for the hits beyond the last cut-off
        cell = self.query * columns + np.searchsorted(cutoffs, self.rank)
        counts = np.bincount(cell, minlength=len(self.n_relevant) * columns).reshape(-1, columns)
        return np.cumsum(counts[:, :-1], axis=1, dtype=np.int64)


def ratio_or_nan(numerator: NDArray[np.generic], denominator: NDArray[np.generic]) -> NDArray[np.float64]:
    """Divide element by element in float64; NaN where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    ratio = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    return ratio
