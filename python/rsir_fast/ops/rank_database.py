"""Full exact rankings of a database, streamed by query block, for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from rsir_fast.base.counts import as_count
from rsir_fast.ops._engine import engine_for
from rsir_fast.ops.database import unwrapped
from rsir_fast.ops.engines.search import Search

__all__ = ["RankedBlock", "rank_database"]

BLOCK_BYTES = 64 * 2**20
"""Default size of a block of answers."""


class RankedBlock(NamedTuple):
    """The rankings of some consecutive queries.

    Attributes
    ----------
    start : int
        Number of the first query of the block.
    distances : array, shape [m, n], or [m, allowed rows]
        Increasing; float32 squared Euclidean, or int32 Hamming.
    ids : array, shape [m, n] or [m, allowed rows], int64
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
    where: Any = None,
    block: int | None = None,
    threads: int | None = None,
    isa: str | None = None,
) -> Iterator[RankedBlock]:
    """Rank the whole database for every query, a block of queries at a time.

    Parameters
    ----------
    queries, database : array, shapes [q, d] and [n, d]
        As in `euclidean_topk`, or codes as in `hamming_topk`; or the database of either made by `prepare`.
    metric : {"euclidean", "hamming"}
    normalize : {"none", "row"}
        As in `euclidean_topk`; only for the Euclidean metric.
    bits : int, optional
        As in `hamming_topk`; only for the Hamming metric.
    where : array, optional
        As in `euclidean_topk`: only these rows are ranked.
    block : int, optional
        Queries a block; by default as many as fill 64 MiB of answers. Never changes an answer.
    threads, isa : optional
        As in `gaussian_normalize`.

    Returns
    -------
    iterator of RankedBlock
        In query order; each ranking holds every (allowed) database id once. The arguments are checked at once, not at
        the first block. The answers are those of `euclidean_topk` or `hamming_topk` with ``k = n``, or as many as are
        allowed, bit for bit.

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
    search: Search
    if metric == "euclidean":
        if bits is not None:
            raise ValueError("bits: expected None with metric='euclidean'; it is the length of a Hamming code")
        held = unwrapped(database, metric)
        search = engine_for(queries, held).euclidean(queries, held, normalize, where=where, threads=threads, isa=isa)
    elif metric == "hamming":
        if normalize not in (None, "none"):
            raise ValueError(f"normalize: expected 'none' with metric='hamming', got {normalize!r}")
        held = unwrapped(database, metric)
        engine = engine_for(queries, held, elements="uint8")
        search = engine.hamming(queries, held, bits, where=where, threads=threads, isa=isa)
    else:
        raise ValueError(f"metric: expected 'euclidean' or 'hamming', got {metric!r}")
    n = search.allowed
    size = (
        max(1, BLOCK_BYTES // (12 * max(1, n)))
        if block is None
        else as_count(block, "block", least=1, unit=" query a block")
    )

    def blocks() -> Iterator[RankedBlock]:
        for start in range(0, search.q, size):
            distances, ids = search.topk(n, rows=slice(start, start + size))
            yield RankedBlock(start, search.restore(distances), search.restore(ids))

    return blocks()
