"""Full exact rankings of a database, streamed by query block, for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from rsir_fast.base.arrays import Restore, unchanged
from rsir_fast.base.counts import as_count
from rsir_fast.ops._device_topk import euclidean_operands, hamming_on_device
from rsir_fast.ops._device_topk import euclidean_search as euclidean_search_on_device
from rsir_fast.ops.euclidean_topk import float_operands
from rsir_fast.ops.euclidean_topk import search as euclidean_search
from rsir_fast.ops.hamming_topk import code_operands, device_operands
from rsir_fast.ops.hamming_topk import search as hamming_search
from rsir_fast.ops.prepare import stored_rows
from rsir_fast.ops.sharded import ShardedCodes, ShardedDatabase

__all__ = ["RankedBlock", "rank_database"]

BLOCK_BYTES = 64 * 2**20
"""Default size of a block of answers."""


class RankedBlock(NamedTuple):
    """The rankings of some consecutive queries.

    Attributes
    ----------
    start : int
        Number of the first query of the block.
    distances : array, shape [m, n]
        Increasing; float32 squared Euclidean, or int32 Hamming.
    ids : array, shape [m, n], int64
        Database rows from nearest to farthest; equal distances are ordered by id.
    """

    start: int
    distances: Any
    ids: Any


def rank_database(
    queries: Any,
    database: Any,
    *,
    metric: Literal["euclidean", "hamming"] = "euclidean",
    normalize: Literal["none", "row"] | None = None,
    bits: int | None = None,
    block: int | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> Iterator[RankedBlock]:
    """Rank the whole database for every query, a block of queries at a time.

    Parameters
    ----------
    queries, database : array, shapes [q, d] and [n, d]
        As in `euclidean_topk`, or packed or prepared codes as in `hamming_topk`; sharded ones too.
    metric : {"euclidean", "hamming"}
    normalize : {"none", "row"}
        As in `euclidean_topk`; only for the Euclidean metric.
    bits : int, optional
        As in `hamming_topk`; only for the Hamming metric.
    block : int, optional
        Queries a block; by default as many as fill 64 MiB of answers. Never changes an answer.
    threads, isa : optional
        As in `gaussian_normalize`.

    Returns
    -------
    iterator of RankedBlock
        In query order; each ranking holds every database id once. The arguments are checked at once, not at the first
        block. The answers are those of `euclidean_topk` or `hamming_topk` with ``k = n``, bit for bit.

    Raises
    ------
    TypeError, ValueError
        As the function of the metric.

    Notes
    -----
    O(q n (d + log n)) time, O(block n) memory. A database that is streamed to devices (`prepare` with `memory`) is read
    once for every block.

    Examples
    --------
    >>> import numpy as np
    >>> import rsir_fast as rf
    >>> features = np.array([[0.0], [5.0], [1.0]], dtype=np.float32)
    >>> for start, distances, ids in rf.rank_database(features, features, block=2):
    ...     print(start, ids.tolist())
    0 [[0, 2, 1], [1, 2, 0]]
    2 [[2, 0, 1]]
    """
    wanted: Any
    restore: Restore
    if metric == "euclidean":
        if bits is not None:
            raise ValueError("bits: expected None with metric='euclidean'; it is the length of a Hamming code")
        if isinstance(database, ShardedDatabase):
            wanted, restore = database.bring(queries, normalize)
            n, search_shards = len(database), database.topk

            def rank(rows: Any) -> tuple[Any, Any]:
                return search_shards(rows, n)

        elif (operands := euclidean_operands(queries, database, normalize)) is not None:
            wanted, n, restore = operands.queries, len(operands.database), unchanged

            def rank(rows: Any) -> tuple[Any, Any]:
                return euclidean_search_on_device(operands._replace(queries=rows), n)

        else:
            wanted, items, restore = float_operands(queries, database, normalize, threads=threads, isa=isa)
            n = len(stored_rows(items))

            def rank(rows: Any) -> tuple[Any, Any]:
                return euclidean_search(rows, items, n, threads=threads, isa=isa)[:2]

    elif metric == "hamming":
        if normalize not in (None, "none"):
            raise ValueError(f"normalize: expected 'none' with metric='hamming', got {normalize!r}")
        if isinstance(database, ShardedCodes):
            wanted, restore = database.bring(queries, bits)
            n, search_shards = len(database), database.topk

            def rank(rows: Any) -> tuple[Any, Any]:
                return search_shards(rows, n)

        elif (found := device_operands(queries, database, bits)) is not None:
            compiled, wanted, items, length = found
            n, restore = len(items), unchanged

            def rank(rows: Any) -> tuple[Any, Any]:
                return hamming_on_device(compiled, rows, items, n, length)

        else:
            wanted, codes, length, restore = code_operands(queries, database, bits)
            n = len(codes)

            def rank(rows: Any) -> tuple[Any, Any]:
                return hamming_search(rows, codes, n, length, threads=threads, isa=isa)

    else:
        raise ValueError(f"metric: expected 'euclidean' or 'hamming', got {metric!r}")
    size = (
        max(1, BLOCK_BYTES // (12 * max(1, n)))
        if block is None
        else as_count(block, "block", least=1, unit=" query a block")
    )

    def blocks() -> Iterator[RankedBlock]:
        for start in range(0, len(wanted), size):
            distances, ids = rank(wanted[start : start + size])
            yield RankedBlock(start, restore(distances), restore(ids))

    return blocks()
