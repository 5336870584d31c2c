"""Rankings by distance with their ties: sorted once, then measured by any rule for ties."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.metrics._hits import RankedHits, ratio_or_nan
from rsir_fast.metrics._inputs import as_cutoff, as_cutoffs, as_distances, as_relevance, check_choice
from rsir_fast.metrics.average_precision import Divisor, average_precision_of, fixed_divisor

__all__ = ["TiedRanking"]


@dataclass(frozen=True)
class TiedRanking:
    """Rankings by distance, with the tie group of every position; made by `sort`.

    What several measures of the same rankings share is done once. The functions of this room say what each measure is.

    Attributes
    ----------
    shape
        Of the queries: all but the last axis of what was sorted; m is its product.
    ranked
        [m, n] bool, relevance of the item at each rank, ties by index.
    before, size
        [m, n] int64, items before the group of each position, and in it.
    relevant_before, relevant_in
        [m, n] int64, relevant items before the group, and in it.

    Notes
    -----
    O(n log n) time for each query, less where the distances come sorted; five arrays [m, n] of int64.

    Examples
    --------
    >>> tied = TiedRanking.sort([[0, 0, 1]], [[True, False, True]])
    >>> tied.hits_within([1, 2, 3]).tolist(), tied.expected(2, "found").tolist()
    ([[0.5, 1.0, 2.0]], [0.75])
    """

    shape: tuple[int, ...]
    ranked: NDArray[np.bool_]
    before: NDArray[np.int64]
    size: NDArray[np.int64]
    relevant_before: NDArray[np.int64]
    relevant_in: NDArray[np.int64]

    @classmethod
    def sort(cls, distances: ArrayLike, relevant: ArrayLike) -> TiedRanking:
        """Sort each row of `distances` [..., n] and find its ties.

        Raises
        ------
        TypeError, ValueError
            If an array is not as `rank_by_distance` takes it.
        """
        mask = as_relevance(relevant, "relevant")
        shape, n = mask.shape[:-1], mask.shape[-1]
        rows = (int(np.prod(shape, dtype=np.int64)), n)
        mask = mask.reshape(rows)
        table = as_distances(distances, (*shape, n)).reshape(rows)
        order = np.argsort(table, axis=1, kind="stable")
        table, mask = np.take_along_axis(table, order, axis=1), np.take_along_axis(mask, order, axis=1)

        column = np.arange(n, dtype=np.int64)
        starts = np.ones(rows, dtype=np.bool_)
        here, previous = table[:, 1:], table[:, :-1]
        starts[:, 1:] = (here != previous) & ((here == here) | (previous == previous))  # NaN ties with NaN
        ends = np.ones(rows, dtype=np.bool_)
        ends[:, :-1] = starts[:, 1:]
        before = np.maximum.accumulate(np.where(starts, column, 0), axis=1)
        after = np.minimum.accumulate(np.where(ends, column + 1, n)[:, ::-1], axis=1)[:, ::-1]

        so_far = np.zeros((rows[0], n + 1), dtype=np.int64)
        np.cumsum(mask, axis=1, out=so_far[:, 1:])
        relevant_before = np.take_along_axis(so_far, before, axis=1)
        relevant_in = np.take_along_axis(so_far, after, axis=1) - relevant_before
        return cls(shape, mask, before, after - before, relevant_before, relevant_in)

    @property
    def n_relevant(self) -> NDArray[np.int64]:
        """R of every query, [m]."""
        return np.asarray(np.count_nonzero(self.ranked, axis=1), np.int64)

    @property
    def offset(self) -> NDArray[np.int64]:
        """Number of items of the same group before each position: i - 1."""
        return np.arange(self.ranked.shape[1], dtype=np.int64) - self.before

    def by_index(self, k: int | None = None, divisor: Divisor = "min") -> NDArray[np.float64]:
        """AP of every query with ties in the order of the database, [m]."""
        return average_precision_of(RankedHits.find(self.ranked), k, divisor)

    def best(self, k: int | None = None, divisor: Divisor = "min") -> NDArray[np.float64]:
        """AP of every query with relevant items first in every tie, [m]."""
        return self._in_order(self.offset < self.relevant_in, k, divisor)

    def worst(self, k: int | None = None, divisor: Divisor = "min") -> NDArray[np.float64]:
        """AP of every query with relevant items last in every tie, [m]."""
        return self._in_order(self.offset >= self.size - self.relevant_in, k, divisor)

    def expected(self, k: int | None = None, divisor: Divisor = "min") -> NDArray[np.float64]:
        """AP of every query expected over a random order of tied items, [m]: `expected_average_precision`."""
        check_choice(divisor, ("relevant", "min", "found"), "divisor")
        cutoff = as_cutoff(k)
        # Where a group has one item its offset is 0, so any divisor but 0 gives the 0 that the formula asks for.
        others = self.offset * (self.relevant_in - 1) / np.maximum(self.size - 1, 1)
        chance = self.relevant_in / self.size
        terms = chance * (self.relevant_before + 1 + others) / np.arange(1, self.ranked.shape[1] + 1)
        if divisor == "found" and cutoff is not None and cutoff < self.ranked.shape[1]:
            return np.array(
                [self._expected_of_found(query, row, cutoff) for query, row in enumerate(terms)], np.float64
            )
        # Rows laid out one way whatever came in, so that every row is summed in the same order.
        total = np.ascontiguousarray(terms[:, :cutoff]).sum(axis=1)
        return ratio_or_nan(total, fixed_divisor(self.n_relevant, cutoff, divisor))

    def hits_within(self, cutoffs: ArrayLike) -> NDArray[np.float64]:
        """Count the relevant items expected among the first n, for each n of `cutoffs` [p]: [m, p].

        Whole groups count as they are, the cut one by the share of it that is taken: relevant_before + relevant_in *
        taken / size.
        """
        numbers = np.atleast_1d(as_cutoffs(cutoffs))
        length = self.ranked.shape[1]
        if length == 0:
            return np.zeros((len(self.ranked), len(numbers)))
        last = np.minimum(numbers, length) - 1
        taken = last + 1 - self.before[:, last]
        return self.relevant_before[:, last] + self.relevant_in[:, last] * taken / self.size[:, last]

    def _expected_of_found(self, query: int, terms: NDArray[np.float64], k: int) -> float:
        """Return AP@k expected where it is divided by the number found, which the cut group alone leaves to chance.

        Of the first t positions of that group x are relevant with a hypergeometric chance; given x, its share of the
        sum is that of a group of t items.
        """
        if not self.ranked[query].any():
            return math.nan
        place = query, k - 1
        before, size = int(self.before[place]), int(self.size[place])
        hits, relevant, t = int(self.relevant_before[place]), int(self.relevant_in[place]), k - before
        x, chance = _hypergeometric(size, relevant, t)
        ranks = np.arange(before + 1, k + 1)
        each, later = math.fsum((1 / ranks).tolist()), math.fsum(((ranks - ranks[0]) / ranks).tolist())
        inside = x / t * ((hits + 1) * each + (x - 1) / max(t - 1, 1) * later)
        values = (math.fsum(terms[:before].tolist()) + inside) / np.maximum(hits + x, 1)
        return math.fsum((chance * values).tolist())

    def _in_order(self, ranked: NDArray[np.bool_], k: int | None, divisor: Divisor) -> NDArray[np.float64]:
        # Fewer found may score more where their number divides: relevant items first are not best then.
        check_choice(divisor, ("relevant", "min"), "divisor")
        return average_precision_of(RankedHits.find(ranked), k, divisor)


def _hypergeometric(size: int, relevant: int, taken: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how many relevant items `taken` ones of a group can hold, and the chance of each.

    By ratios of neighbours, outwards from the likeliest, so that nothing overflows; by products and quotients alone,
    whose bits are the same on every machine.
    """
    x = np.arange(max(0, taken + relevant - size), min(relevant, taken) + 1)
    ratio = ((relevant - x) * (taken - x) / ((x + 1) * (size - relevant - taken + x + 1)))[:-1]
    likeliest = int(np.count_nonzero(ratio > 1))
    down, up = np.cumprod(1 / ratio[:likeliest][::-1])[::-1], np.cumprod(ratio[likeliest:])
    weight = np.concatenate([down, np.ones(1), up])
    return x, weight / math.fsum(weight.tolist())
