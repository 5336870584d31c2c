"""From ranked item ids to the relevance arrays that the metrics take."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsir_fast.base.numbers import as_numbers
from rsir_fast.metrics._inputs import as_relevance

__all__ = ["drop_self", "ranked_relevance", "share_label"]

Integer = TypeVar("Integer", bound=np.integer[Any])


def drop_self(ids: NDArray[Integer], self_ids: ArrayLike) -> NDArray[Integer]:
    """Take each query out of its own ranking, by its id.

    Never by position: a duplicate of the query may stand before it, and dropping "the first hit" would then drop a
    right answer and leave the query in.

    Parameters
    ----------
    ids
        [m, n] integers, ranked item ids of each query, the query itself among them.
    self_ids
        [m] integers, the id of each query.

    Returns
    -------
    numpy.ndarray
        [m, n - 1], the same dtype, the order kept.

    Raises
    ------
    TypeError
        If the ids are not integers.
    ValueError
        If a shape is wrong, or a query's id does not occur exactly once in its row.

    Examples
    --------
    >>> drop_self(np.array([[0, 1, 2], [0, 1, 2]]), [0, 1]).tolist()
    [[1, 2], [0, 2]]
    """
    table = _as_ids(ids)
    own = as_numbers(self_ids, "self_ids")
    if own.shape != table.shape[:1]:
        raise ValueError(f"self_ids: expected one id per row of ids ({table.shape[0]}), got shape {own.shape}")
    if own.size == 0:
        return table[:, 1:]
    if own.dtype.kind not in "iu":
        raise TypeError(f"self_ids: expected integers, got {own.dtype}")
    is_self = table == own[:, None]
    times = np.count_nonzero(is_self, axis=1)
    if (times != 1).any():
        bad = int(np.argmax(times != 1))
        raise ValueError(
            f"ids: expected the query's own id {own[bad]} exactly once in row {bad}, got it {times[bad]} times; "
            "rank the whole database, the query included"
        )
    others: NDArray[Integer] = table[~is_self].reshape(len(table), -1)
    return others


def share_label(query_labels: ArrayLike, item_labels: ArrayLike) -> NDArray[np.bool_]:
    """Relevance of every item to every query: whether they share a label.

    Parameters
    ----------
    query_labels, item_labels
        [q] and [n] integers, one class each; or [q, c] and [n, c] bool (or 0 and 1), any number of labels each.

    Returns
    -------
    numpy.ndarray
        [q, n] bool, in the order of the items.

    Raises
    ------
    TypeError, ValueError
        If the two do not fit together or are not as described.

    Examples
    --------
    >>> share_label([0, 1], [1, 1, 0]).tolist()
    [[False, False, True], [True, True, False]]
    >>> share_label([[1, 1, 0]], [[0, 1, 1], [0, 0, 1]]).tolist()
    [[True, False]]
    """
    queries, items = as_numbers(query_labels, "query_labels"), as_numbers(item_labels, "item_labels")
    if queries.ndim != items.ndim or queries.ndim not in (1, 2) or queries.shape[1:] != items.shape[1:]:
        raise ValueError(
            f"labels: expected [q] and [n], or [q, c] and [n, c], got shapes {queries.shape} and {items.shape}"
        )
    if queries.ndim == 1:
        for name, labels in (("query_labels", queries), ("item_labels", items)):
            if labels.size and labels.dtype.kind not in "iu":
                raise TypeError(f"{name}: expected integer class indices, got {labels.dtype}")
        same: NDArray[np.bool_] = queries[:, None] == items[None, :]
        return same
    # Counts of shared labels are small whole numbers: exact in float32, which multiplies faster than bool.
    left = as_relevance(queries, "query_labels").astype(np.float32)
    right = as_relevance(items, "item_labels").astype(np.float32)
    shared: NDArray[np.bool_] = left @ right.T > 0
    return shared


def ranked_relevance(relevant: ArrayLike, ids: ArrayLike) -> NDArray[np.bool_]:
    """Bring relevance from the order of the database into the order of each ranking.

    Parameters
    ----------
    relevant
        [m, items] bool (or integers 0 and 1), as from `share_label`.
    ids
        [m, n] integers, ranked item ids; -1 marks padding after the last item and counts as not relevant.

    Returns
    -------
    numpy.ndarray
        [m, n] bool, best item first.

    Raises
    ------
    TypeError
        If the ids are not integers.
    ValueError
        If the numbers of rows differ or an id is neither -1 nor an item.

    Examples
    --------
    >>> ranked_relevance([[True, False, True]], [[2, 1, -1]]).tolist()
    [[True, False, False]]
    """
    mask = as_relevance(relevant, "relevant")
    table = _as_ids(ids)
    if mask.ndim != 2 or len(mask) != len(table):
        raise ValueError(f"relevant: expected [{len(table)}, items], one row per row of ids, got shape {mask.shape}")
    items = mask.shape[1]
    if table.size and (table.min() < -1 or table.max() >= items):
        raise ValueError(
            f"ids: expected -1 or 0 to {items - 1} (relevant has {items} columns), got {table.min()} to {table.max()}"
        )
    if items == 0:
        return np.zeros(table.shape, dtype=np.bool_)
    ranked: NDArray[np.bool_] = np.take_along_axis(mask, table.astype(np.int64), axis=1)
    ranked[table == -1] = False  # as an index, -1 is the last item
    return ranked


def _as_ids(ids: ArrayLike) -> NDArray[Any]:
    table: NDArray[Any] = as_numbers(ids, "ids")
    if table.ndim != 2:
        raise ValueError(f"ids: expected [m, n], one ranking per row, got shape {table.shape}")
    if table.size and table.dtype.kind not in "iu":
        raise TypeError(f"ids: expected integers, got {table.dtype}")
    return table
