"""Ranks of relevant items on the host's cores, without the rankings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.isa import choose_isa
from rsir_fast.ops._arrays import FloatRows
from rsir_fast.ops._where import AllowedRows
from rsir_fast.ops.engines.search import Labels, Ranks

__all__ = ["ranks_of_labels"]

BLOCK_RANKS = 2**20
"""Default number of ranks in a block: 8 MiB."""

OWN_BLOCK_RANKS = 2**25
"""The same where queries are the database: 256 MiB. Each pair of queries of a block is measured once for both."""


def ranks_of_labels(
    queries: FloatRows,
    blocks: Sequence[FloatRows],
    labels: Labels,
    where: AllowedRows,
    block: int | None,
    *,
    threads: int | None,
    isa: str | None,
) -> Iterator[Ranks]:
    """Yield the ranks of the relevant items, a block of queries at a time; the database is of `blocks` of rows."""
    rows, own = _allowed(labels, where)
    relevant = _Members.find(labels.of_queries, labels.of_items, rows)
    most = OWN_BLOCK_RANKS if rows is None and _is_among(queries, blocks) else BLOCK_RANKS
    size = block or max(1, most * len(queries) // max(1, int(relevant.counts.sum())))
    for start in range(0, len(queries), size):
        part = slice(start, start + size)
        mine = None if own is None else own[part]
        yield start, *_ranks(queries[part], blocks, relevant.of(part), mine, where, threads=threads, isa=isa)


def _is_among(queries: FloatRows, blocks: Sequence[FloatRows]) -> bool:
    """Tell whether the queries are rows of a block, the same memory: the kernel notices it, too."""
    return any(rows.kind == queries.kind and np.may_share_memory(rows.array, queries.array) for rows in blocks)


def _allowed(labels: Labels, where: AllowedRows) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Return the allowed rows (None: all), and the queries' own, -1 for those that are not allowed."""
    if where.bitmap is None:
        return None, labels.own
    allowed = np.unpackbits(where.bitmap, count=len(labels.of_items), bitorder="little").view(np.bool_)
    own = None if labels.own is None else np.where(allowed[labels.own], labels.own, -1)
    return np.flatnonzero(allowed), own


class _Members(NamedTuple):
    """The relevant items of every query: `counts` [q] of `items` from `first` [q] on."""

    items: NDArray[np.int64]
    first: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def find(
        cls, query_labels: NDArray[np.int64], item_labels: NDArray[np.int64], rows: NDArray[np.int64] | None
    ) -> _Members:
        """Find them among all items, or among some rows."""
        labels = item_labels if rows is None else item_labels[rows]
        order = np.argsort(labels, kind="stable").astype(np.int64, copy=False)
        by_label, items = labels[order], order if rows is None else rows[order]
        first = np.searchsorted(by_label, query_labels, side="left").astype(np.int64, copy=False)
        return cls(items, first, np.searchsorted(by_label, query_labels, side="right") - first)

    def of(self, rows: slice) -> _Members:
        return _Members(self.items, self.first[rows], self.counts[rows])


def _ranks(
    queries: FloatRows,
    blocks: Sequence[FloatRows],
    relevant: _Members,
    own: NDArray[np.int64] | None,
    where: AllowedRows,
    *,
    threads: int | None,
    isa: str | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Run the kernel on checked operands."""
    q, d = queries.array.shape
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(relevant.counts, dtype=np.int64)])
    ranks = np.empty(offsets[-1], dtype=np.int64)
    self_ranks = None if own is None else np.empty(q, dtype=np.int64)
    compiled.cpu.relevant_ranks(
        queries.array,
        q,
        queries.dtype,
        [(rows.array, len(rows), rows.kind) for rows in blocks],
        d,
        where.n,
        where.for_kernels,
        relevant.items,
        relevant.first,
        offsets,
        0 if own is None else own,
        ranks,
        0 if self_ranks is None else self_ranks,
        choose_threads(threads),
        choose_isa(isa),
    )
    return relevant.counts, ranks, self_ranks
