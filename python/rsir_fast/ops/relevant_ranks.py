"""Where the relevant items stand in exact full rankings, streamed by query block, without the rankings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from numpy.typing import ArrayLike

from rsir_fast.ops._engine import engine_for
from rsir_fast.ops._relevant import RelevantRanks, ranked
from rsir_fast.ops.database import unwrapped

__all__ = ["RelevantRanks", "relevant_ranks"]


def relevant_ranks(
    queries: Any,
    database: Any,
    query_labels: ArrayLike,
    item_labels: ArrayLike,
    *,
    self_ids: ArrayLike | None = None,
    where: Any = None,
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
    where : array, optional
        As in `euclidean_topk`: only these rows are ranked, and relevant ones counted among them.
    normalize : {"none", "row"}
        As in `euclidean_topk`.
    block : int, optional
        Queries a block; by default as many as have some 8 MiB of ranks, on a CUDA device 32 MiB. Never changes a rank.
        By default queries that are rows of the database itself are measured 33 million ranks at a time.
        Of a database on several devices or streamed to them, of which whole rankings of a block are made: as many as
        have 2^25 items to rank.
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
    Certify, then decide: distances from float32 products, whose error is proven to be small against the norms (after
    subtracting the mean), tell between which relevant items an item lies; the few that come too near to one are
    computed in float64. Where much of the database is relevant, all are, which takes several times as long. The
    relevant items are sorted, the others only counted. Where queries are rows of the database, the same memory, each
    pair of them is measured once for both. O(q n d) time. Memory beside the inputs (and a normalised copy of both with
    ``normalize="row"``): a block of ranks, 12 bytes a rank and up to 4 KiB a query for what is measured at a time, and
    for each thread some 12 MiB. Never a ranking, never a distance matrix. On a CUDA device distances are
    compared where they are with the query's sorted relevant ones; 20 bytes a rank of a block. Many and long rows are
    placed by integer products there, with float64 for what these leave open: 3 bytes an element of the database and
    some GiB more, or, where the device has not so much left, all in float64.

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
    database = unwrapped(database, "euclidean")
    search = engine_for(queries, database).euclidean(
        queries, database, normalize, where=where, threads=threads, isa=isa
    )
    return ranked(search, query_labels, item_labels, self_ids, block)
