"""The one representation all ranking metrics share: which relevant item stands at which rank.

Average precision, NMRR, precision and recall depend on nothing but the ranks of the relevant items and R. Summing over
those alone, one after the other, makes a query's value the same bits whatever block of queries it came in, however
its array lies in memory, and however many irrelevant items follow the last relevant one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base import compiled
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.numbers import as_integers, as_numbers
from rsir_fast.metrics._inputs import MOST, as_counts, as_relevance

__all__ = ["RankedHits", "ratio_or_nan"]

TINY = 1 << 16
"""Ranks that are summed before another thread is awake."""


@dataclass(frozen=True)
class RankedHits:
    """The relevant items of m ranked lists, in the order (query, rank).

    Attributes
    ----------
    shape
        Shape of the queries, all but the last axis of the ranking; m is its product.
    rank
        [h] int64, the rank of each relevant item, counted from 1.
    offsets
        [m + 1] int64, where those of each list begin, and h.
    n_relevant
        [m] int64, R of every query; more than its list holds where the list is truncated.
    """

    shape: tuple[int, ...]
    rank: NDArray[np.int64]
    offsets: NDArray[np.int64]
    n_relevant: NDArray[np.int64]

    @classmethod
    def find(cls, relevant_ranked: ArrayLike, n_relevant: ArrayLike | None = None) -> RankedHits:
        """Collect the relevant items of `relevant_ranked` [..., n]; without `n_relevant`, the lists are complete."""
        ranked = as_relevance(relevant_ranked)
        shape = ranked.shape[:-1]
        rows = ranked.reshape(int(np.prod(shape, dtype=np.int64)), ranked.shape[-1])
        query, column = np.nonzero(rows)
        found = np.bincount(query, minlength=len(rows)).astype(np.int64, copy=False)
        return cls._of(shape, column.astype(np.int64, copy=False) + 1, found, n_relevant)

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
        hits = cls._of(found.shape, rank, found, n_relevant)
        bad = compiled.cpu.first_disorder(*hits._lists)
        if bad >= 0:
            query = int(np.searchsorted(hits.offsets, bad, side="right")) - 1
            before = rank[bad - 1] if bad > hits.offsets[query] else 0
            raise ValueError(
                f"ranks: expected 1 or more, increasing in each query, got {rank[bad]} after {before} in query {query}"
            )
        return hits

    @classmethod
    def _of(
        cls,
        shape: tuple[int, ...],
        rank: NDArray[np.int64],
        found: NDArray[np.int64],
        n_relevant: ArrayLike | None,
    ) -> RankedHits:
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(found, dtype=np.int64)])
        if n_relevant is None:
            return cls(shape, rank, offsets, found)
        total = as_counts(n_relevant, shape).reshape(len(found))
        if (found > total).any():
            bad = int(np.argmax(found > total))
            raise ValueError(
                f"n_relevant: query {bad} has {total[bad]}, but its list holds {found[bad]} relevant items; "
                "expected the number in the whole database (the query itself left out where its list leaves it out)"
            )
        return cls(shape, rank, offsets, total)

    def of_query(self, query: int) -> NDArray[np.int64]:
        """Return the ranks of one list."""
        return self.rank[self.offsets[query] : self.offsets[query + 1]]

    def sum_precisions(self, most: int = MOST) -> NDArray[np.float64]:
        """Sum the precision at each relevant item among the first `most`, in the order of rank: [m] float64."""
        sums = np.empty(len(self.n_relevant))
        compiled.cpu.sum_precisions(*self._lists, most, sums, self._threads)
        return sums

    def sum_within(self, limits: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count, and add up, the ranks of each list that are at most its limit of `limits` [m]: twice [m] int64."""
        found, sums = np.empty((2, len(self.n_relevant)), np.int64)
        compiled.cpu.sum_within(*self._lists, np.ascontiguousarray(limits), found, sums, self._threads)
        return found, sums

    def count_within(self, cutoffs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the relevant items among the first n, for each n of ascending `cutoffs` [p]: [m, p] int64."""
        counts = np.empty((len(self.n_relevant), len(cutoffs)), np.int64)
        compiled.cpu.count_within(*self._lists, np.ascontiguousarray(cutoffs), len(cutoffs), counts, self._threads)
        return counts

    @property
    def _lists(self) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        return self.rank, self.offsets, len(self.n_relevant)

    @property
    def _threads(self) -> int:
        return choose_threads(None, tiny=len(self.rank) < TINY)


def ratio_or_nan(numerator: NDArray[np.generic], denominator: NDArray[np.generic]) -> NDArray[np.float64]:
    """Divide element by element in float64; NaN where the denominator is 0."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    ratio = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    return ratio
