"""Where the relevant items stand in exact full rankings, streamed by query block, without the rankings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.counts import as_count
from rsir_fast.base.numbers import as_integers, as_numbers
from rsir_fast.ops._engine import engine_for
from rsir_fast.ops.engines.search import Labels

__all__ = ["RelevantRanks", "relevant_ranks"]


class RelevantRanks(NamedTuple):
    """The ranks of the relevant items of some consecutive queries.

    Attributes
    ----------
    start : int
        Number of the first query of the block.
    counts : array, shape [m], int64
        Relevant items of each query.
    ranks : array, shape [sum of counts], int64
        Their ranks in the ranking of the whole database, counted from 1; query after query, increasing in each.
    self_ranks : array, shape [m], int64, or None
        The rank of each query's own item, where `relevant_ranks` was told which that is.
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
            Items behind it are one rank better; it is no longer among the relevant ones. O(len(ranks)).

        Raises
        ------
        ValueError
            If the own items are not known.
        """
        if self.self_ranks is None:
            raise ValueError("self_ranks: expected the rank of each query's own item, got None; pass self_ids")
        own = np.repeat(self.self_ranks, self.counts)
        is_self = self.ranks == own
        query = np.repeat(np.arange(len(self.counts)), self.counts)
        dropped = np.bincount(query[is_self], minlength=len(self.counts))
        ranks = (self.ranks - (self.ranks > own))[~is_self]
        return RelevantRanks(self.start, self.counts - dropped, ranks, None)


def relevant_ranks(
    queries: Any,
    database: Any,
    query_labels: ArrayLike,
    item_labels: ArrayLike,
    *,
    self_ids: ArrayLike | None = None,
    normalize: Literal["none", "row"] | None = None,
    block: int | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> Iterator[RelevantRanks]:
    """Rank the whole database for every query and keep the ranks of the items that share the query's label.

    Average precision, NMRR, precision and recall depend on nothing else: `rsir_fast.metrics.RetrievalAccumulator`
    takes these ranks by `add_ranks`.

    Parameters
    ----------
    queries, database : array, shapes [q, d] and [n, d]
        As in `euclidean_topk`: CUDA tensors are ranked on their device.
    query_labels, item_labels : array of integers, shapes [q] and [n]
        An item is relevant if its label is the query's.
    self_ids : array of integers, shape [q], optional
        The database row that each query itself is, for `RelevantRanks.drop_self`.
    normalize : {"none", "row"}
        As in `euclidean_topk`.
    block : int, optional
        Queries a block; by default as many as have some 8 MiB of ranks. Never changes a rank. On a CUDA device, where
        whole rankings of a block are made: as many as have 2^25 items to rank.
    threads, isa : optional
        As in `gaussian_normalize`.

    Returns
    -------
    iterator of RelevantRanks
        In query order, as NumPy arrays. The arguments are checked at once, not at the first block. The ranks are those
        of `rank_database`, exactly.

    Raises
    ------
    TypeError, ValueError
        As `euclidean_topk`, or if labels or ids do not fit.

    Notes
    -----
    Certify, then decide: distances in float32, whose error is proven to be small against them, tell between which
    relevant items an item lies; the few that come too near to one are computed in float64. Where one side is float64,
    or much of the database is relevant, all are: three times slower. The relevant items are sorted, the others only
    counted. O(q n d) time. Memory beside the inputs (and a normalised copy of both with ``normalize="row"``): the
    ranks of a block, and for each thread 16 MiB of distances (or those of eight queries) and some 5 MiB of packed rows
    (or twenty). Never a ranking, never a distance matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> features = np.array([[0.0], [5.0], [1.0], [6.0]], dtype=np.float32)
    >>> labels = [0, 1, 1, 0]
    >>> (found,) = rf.relevant_ranks(features, features, labels, labels, self_ids=range(4))
    >>> found.ranks.tolist(), found.drop_self().ranks.tolist()
    ([1, 4, 1, 3, 1, 3, 1, 4], [3, 2, 2, 3])
    """
    search = engine_for(queries, database).euclidean(queries, database, normalize, threads=threads, isa=isa)
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
