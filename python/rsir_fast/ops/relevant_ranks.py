"""Where the relevant items stand in exact full rankings, streamed by query block, without the rankings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.arrays import unchanged
from rsir_fast.base.compiled import choose_isa, cpu
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.counts import as_count
from rsir_fast.base.numbers import as_integers, as_numbers
from rsir_fast.ops._arrays import FloatRows
from rsir_fast.ops._device_topk import Operands, euclidean_operands, euclidean_search
from rsir_fast.ops.euclidean_topk import float_operands
from rsir_fast.ops.prepare import stored_rows

__all__ = ["RelevantRanks", "relevant_ranks"]

BLOCK_RANKS = 2**20
"""Default number of ranks in a block: 8 MiB."""

DEVICE_PAIRS = 2**25
"""Default number of queries times items in a block on a CUDA device: their rankings take some 1.3 GiB for a moment."""


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
    if (operands := euclidean_operands(queries, database, normalize)) is not None:
        labels = _labels(query_labels, item_labels, self_ids, len(operands.queries), len(operands.database))
        return _on_device(operands, *labels, block)
    wanted, prepared, _ = float_operands(queries, database, normalize, threads=threads, isa=isa)
    items = stored_rows(prepared)
    of_queries, of_items, own = _labels(query_labels, item_labels, self_ids, len(wanted), len(items))
    relevant = _Members.find(of_queries, of_items)
    size = _block_size(block, BLOCK_RANKS * len(wanted) // max(1, int(relevant.counts.sum())))

    def blocks() -> Iterator[RelevantRanks]:
        for start in range(0, len(wanted), size):
            rows = slice(start, start + size)
            part = None if own is None else own[rows]
            yield _ranks(start, wanted[rows], items, relevant.of(rows), part, threads=threads, isa=isa)

    return blocks()


def _on_device(
    operands: Operands,
    query_labels: NDArray[np.int64],
    item_labels: NDArray[np.int64],
    own: NDArray[np.int64] | None,
    block: int | None,
) -> Iterator[RelevantRanks]:
    """Rank on the device and read there where the relevant items stand: only their ranks come to the host."""
    torch = sys.modules["torch"]
    queries, n = operands.queries, len(operands.database)
    size = _block_size(block, DEVICE_PAIRS // max(1, n))
    of_queries, of_items = (torch.from_numpy(labels).to(queries.device) for labels in (query_labels, item_labels))
    selves = None if own is None else torch.from_numpy(own).to(queries.device)

    def blocks() -> Iterator[RelevantRanks]:
        for start in range(0, len(queries), size):
            rows = slice(start, start + size)
            ids = euclidean_search(operands._replace(queries=queries[rows], restore=unchanged), n)[1]
            relevant = of_items[ids] == of_queries[rows, None]
            self_ranks = None if selves is None else (ids == selves[rows, None]).nonzero()[:, 1] + 1
            yield RelevantRanks(
                start,
                relevant.sum(1).cpu().numpy(),
                (relevant.nonzero()[:, 1] + 1).cpu().numpy(),
                None if self_ranks is None else self_ranks.cpu().numpy(),
            )

    return blocks()


class _Members(NamedTuple):
    """The relevant items of every query: `counts` [q] of `items` from `first` [q] on."""

    items: NDArray[np.int64]
    first: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def find(cls, query_labels: NDArray[np.int64], item_labels: NDArray[np.int64]) -> _Members:
        items = np.argsort(item_labels, kind="stable").astype(np.int64, copy=False)
        by_label = item_labels[items]
        first = np.searchsorted(by_label, query_labels, side="left").astype(np.int64, copy=False)
        return cls(items, first, np.searchsorted(by_label, query_labels, side="right") - first)

    def of(self, rows: slice) -> _Members:
        return _Members(self.items, self.first[rows], self.counts[rows])


def _ranks(
    start: int,
    queries: FloatRows,
    database: FloatRows,
    relevant: _Members,
    own: NDArray[np.int64] | None,
    *,
    threads: int | None,
    isa: str | None,
) -> RelevantRanks:
    """Run the kernel on checked operands."""
    q, d = queries.array.shape
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(relevant.counts, dtype=np.int64)])
    ranks = np.empty(offsets[-1], dtype=np.int64)
    self_ranks = None if own is None else np.empty(q, dtype=np.int64)
    cpu().relevant_ranks(
        queries.array,
        q,
        queries.dtype,
        database.array,
        len(database),
        database.dtype,
        d,
        relevant.items,
        relevant.first,
        offsets,
        0 if own is None else own,
        ranks,
        0 if self_ranks is None else self_ranks,
        choose_threads(threads),
        choose_isa(isa),
    )
    return RelevantRanks(start, relevant.counts, ranks, self_ranks)


def _block_size(block: int | None, by_default: int) -> int:
    size = max(1, by_default) if block is None else as_count(block, "block", least=1, unit=" query a block")
    return size


def _labels(
    query_labels: ArrayLike, item_labels: ArrayLike, self_ids: ArrayLike | None, q: int, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Return labels and own items, checked."""
    of_queries, of_items = _of_rows(query_labels, "query_labels", q), _of_rows(item_labels, "item_labels", n)
    return of_queries, of_items, None if self_ids is None else _as_rows(self_ids, q, n)


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
