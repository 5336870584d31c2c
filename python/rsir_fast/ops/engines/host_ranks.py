"""Ranks of relevant items on the host's cores, without the rankings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rsir_fast.base import compiled
from rsir_fast.base.cores import choose_threads
from rsir_fast.base.isa import choose_isa
from rsir_fast.ops._arrays import FloatRows
from rsir_fast.ops._where import AllowedRows
from rsir_fast.ops.engines.relevant_items import RelevantItems, relevant_items
from rsir_fast.ops.engines.search import Labels, Ranks

__all__ = ["ranks_of_labels"]

BLOCK_RANKS = 2**20
"""Default number of ranks in a block: 8 MiB."""

OWN_BLOCK_RANKS = 2**25
"""Of so many, some 500 MiB, the queries that are rows of the database are measured together: each pair once."""


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
    bits = where.bitmap
    allowed = None if bits is None else np.unpackbits(bits, count=where.n, bitorder="little").view(np.bool_)
    relevant, own = relevant_items(labels, allowed)
    size = block or relevant.block(BLOCK_RANKS)
    measured = size
    if block is None and allowed is None and _is_among(queries, blocks):
        measured *= max(1, relevant.block(OWN_BLOCK_RANKS) // size)
    for begin in range(0, len(queries), measured):
        part = slice(begin, begin + measured)
        mine = None if own is None else own[part]
        found = _ranks(queries[part], blocks, relevant.of(part), mine, where, size, threads=threads, isa=isa)
        for start, counts, ranks, self_ranks in found:
            yield begin + start, counts, ranks, self_ranks


def _is_among(queries: FloatRows, blocks: Sequence[FloatRows]) -> bool:
    """Tell whether the queries are rows of a block, the same memory: the kernel notices it, too."""
    return any(rows.kind == queries.kind and np.may_share_memory(rows.array, queries.array) for rows in blocks)


def _ranks(
    queries: FloatRows,
    blocks: Sequence[FloatRows],
    relevant: RelevantItems,
    own: NDArray[np.int64] | None,
    where: AllowedRows,
    size: int,
    *,
    threads: int | None,
    isa: str | None,
) -> Iterator[Ranks]:
    """Run the kernel on checked operands, and yield the ranks for `size` queries at a time."""
    q, d = queries.array.shape
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(relevant.counts, dtype=np.int64)])
    cores = choose_threads(threads)
    found = compiled.cpu.RelevantRanks(
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
        cores,
        choose_isa(isa),
    )
    for start in range(0, q, size):
        stop = min(start + size, q)
        ranks = np.empty(offsets[stop] - offsets[start], dtype=np.int64)
        self_ranks = None if own is None else np.empty(stop - start, dtype=np.int64)
        found.take(start, stop, ranks, 0 if self_ranks is None else self_ranks, cores)
        yield start, relevant.counts[start:stop], ranks, self_ranks
