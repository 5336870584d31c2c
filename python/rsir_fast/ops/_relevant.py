"""Where relevant items stand: what a search tells, as every face gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base import compiled
from rsir_fast.base.counts import as_count
from rsir_fast.base.numbers import as_integers, as_numbers
from rsir_fast.ops.engines.search import Labels, RankedSearch

__all__ = ["RelevantRanks", "ranked"]


class RelevantRanks(NamedTuple):
    """The ranks of the relevant items of some consecutive queries.

    Attributes
    ----------
    start : int
        Number of the first query of the block.
    counts : array, shape [m], int64
        Relevant (and allowed) items of each query.
    ranks : array, shape [sum of counts], int64
        Their ranks in the ranking of the whole database, or of its allowed items, counted from 1; query after query,
        increasing in each.
    self_ranks : array, shape [m], int64, or None
        The rank of each query's own item, where `relevant_ranks` was told which that is; 0 where that is not allowed.
    """

    start: int
    counts: NDArray[np.int64]
    ranks: NDArray[np.int64]
    self_ranks: NDArray[np.int64] | None

    def drop_self(self) -> RelevantRanks:
        """Take each query's own item out of its ranking, as `rsir_fast.metrics.drop_self` does.

        Returns
        -------
        RelevantRanks
            Items behind it are one rank better; it is no longer among the relevant ones. Where it was not ranked, all
            stays as it is. O(len(ranks)).

        Raises
        ------
        ValueError
            If the own items are not known.
        """
        if self.self_ranks is None:
            raise ValueError("self_ranks: expected the rank of each query's own item, got None; pass self_ids")
        given, own = np.ascontiguousarray(self.ranks, np.int64), np.ascontiguousarray(self.self_ranks, np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts, dtype=np.int64)])
        counts, ranks = np.empty(len(own), np.int64), np.empty_like(given)
        compiled.cpu.drop_own(given, offsets, len(own), own, counts, ranks)
        return RelevantRanks(self.start, counts, ranks[: counts.sum()], None)


def ranked(
    search: RankedSearch,
    query_labels: ArrayLike,
    item_labels: ArrayLike,
    self_ids: ArrayLike | None,
    block: int | None,
) -> Iterator[RelevantRanks]:
    """Check labels and own items, and return the ranks, a block of queries at a time."""
    labels = _labels(query_labels, item_labels, self_ids, search.q, search.n)
    size = None if block is None else as_count(block, "block", least=1, unit=" query a block")
    return (RelevantRanks(*part) for part in search.ranks(labels, size))


def _labels(query_labels: ArrayLike, item_labels: ArrayLike, self_ids: ArrayLike | None, q: int, n: int) -> Labels:
    """Return labels and own items, checked."""
    of_queries, of_items = _of_rows(query_labels, "query_labels", q), _of_rows(item_labels, "item_labels", n)
    return Labels(of_queries, of_items, None if self_ids is None else _as_rows(self_ids, q, n))


def _of_rows(values: ArrayLike, name: str, length: int) -> NDArray[np.int64]:
    array = as_numbers(values, name)
    if array.shape != (length,):
        raise ValueError(f"{name}: expected one for each of {length} rows, got shape {list(array.shape)}")
    return np.ascontiguousarray(as_integers(array, name, fix="number the classes"))


def _as_rows(values: ArrayLike, length: int, n: int) -> NDArray[np.int64]:
    ids = _of_rows(values, "self_ids", length)
    if ids.size and (ids.min() < 0 or ids.max() >= n):
        raise ValueError(f"self_ids: expected database rows 0 to {n - 1}, got {ids.min()} to {ids.max()}")
    return ids
