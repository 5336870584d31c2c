"""The nearest other items of every item, and how alike they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.ops import euclidean_topk

__all__ = ["cosines", "nearest_others"]

Ids = NDArray[np.int64]

_PAIRS = 2**21
"""Values of gathered vectors at a time: 16 MiB."""


def nearest_others(
    queries: Any, database: Any, k: int, own: Ids | None, *, threads: int | None = None
) -> tuple[NDArray[np.float32], Ids]:
    """Find the k nearest items of every query, its own left out by its number, so that duplicates of it count.

    Parameters
    ----------
    queries, database : array, shapes [q, d] and [n, d]
        As in `rsir_fast.euclidean_topk`.
    k : int
    own : array, int64 [q], or None
        The item that each query is; None where queries are no items.
    threads : int, optional
        As there.

    Returns
    -------
    distances : array, float32 [q, k]
        Squared, increasing; ties by item.
    ids : array, int64 [q, k]

    Raises
    ------
    ValueError
        If there are not so many others.

    Examples
    --------
    >>> x = np.array([[0.0], [0.0], [1.0]], np.float32)
    >>> nearest_others(x, x, 1, np.arange(3))[1].tolist()
    [[1], [0], [0]]
    """
    others = len(database) - (own is not None)
    if not 1 <= k <= others:
        raise ValueError(f"expected 1 to {others} neighbours, as there are so many other items, got {k}")
    squared, ids = euclidean_topk(queries, database, k + (own is not None), threads=threads)
    if not isinstance(ids, np.ndarray):
        squared, ids = squared.cpu().numpy(), ids.cpu().numpy()
    if own is None:
        return squared, ids
    # Under many ties the item may not be among its own nearest; then the last is one too many.
    keep = ids != own[:, None]
    keep[keep.all(axis=1), -1] = False
    return squared[keep].reshape(len(ids), k), ids[keep].reshape(len(ids), k)


def cosines(queries: NDArray[np.float32], database: NDArray[np.float32], ids: Ids) -> NDArray[np.float64]:
    """Return the cosine of every query [q, d] with the items named for it [q, k]; 0 with a vector of zeros.

    Examples
    --------
    >>> cosines(np.eye(2, dtype=np.float32), np.array([[3, 4]], np.float32), np.array([[0], [0]])).tolist()
    [[0.6], [0.8]]
    """
    found = np.empty(ids.shape)
    length = np.sqrt((database.astype(np.float64) ** 2).sum(axis=1))
    size = max(1, _PAIRS // max(1, ids.shape[1] * queries.shape[1]))
    for start in range(0, len(ids), size):
        rows = slice(start, start + size)
        x, y = queries[rows].astype(np.float64), database[ids[rows]].astype(np.float64)
        scale = np.sqrt((x * x).sum(axis=1))[:, None] * length[ids[rows]]
        found[rows] = (x[:, None, :] * y).sum(axis=2) / np.where(scale > 0, scale, 1.0)
    return found
