"""Comparison of search answers that may break ties differently: for tests and benchmarks against other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["assert_topk_equivalent"]


def assert_topk_equivalent(
    distances: ArrayLike, ids: ArrayLike, all_distances: ArrayLike, *, rtol: float = 1e-5, atol: float = 1e-6
) -> None:
    """Assert that an answer is a right top-k up to rounding and the order of ties.

    Parameters
    ----------
    distances, ids : array_like, shape [q, k]
        The answer to judge; id -1 marks an empty slot.
    all_distances : array_like, shape [q, n]
        The true distances; NaN ranks last.
    rtol, atol : float
        Two distances closer than ``atol + rtol * |distance|`` count as tied.

    Raises
    ------
    AssertionError
        Naming the first query and what is wrong: an id out of range or twice, a wrong or unordered distance, a nearer
        item left out, or a slot left empty.

    Examples
    --------
    >>> assert_topk_equivalent([[0.0, 1.0]], [[2, 1]], [[1.0, 1.0, 0.0]])
    >>> assert_topk_equivalent([[0.0, 1.0]], [[0, 1]], [[1.0, 1.0, 0.0]])
    Traceback (most recent call last):
        ...
    AssertionError: query 0: id 0 has distance 1.0, the answer says 0.0
    """
    found, chosen, truth = np.asarray(distances), np.asarray(ids), np.asarray(all_distances, dtype=np.float64)
    assert found.shape == chosen.shape, f"distances {found.shape} and ids {chosen.shape} differ in shape"
    assert found.ndim == 2, f"expected answers of shape [q, k], got {found.shape}"
    assert len(found) == len(truth), f"{len(found)} answers for {len(truth)} queries"
    for query, row in enumerate(zip(found.astype(np.float64), chosen, truth, strict=True)):
        if (problem := _problem(*row, rtol, atol)) is not None:
            raise AssertionError(f"query {query}: {problem}")


def _problem(
    found: NDArray[np.float64], ids: NDArray[Any], truth: NDArray[np.float64], rtol: float, atol: float
) -> str | None:
    n = len(truth)
    filled = min(len(ids), n)
    if (ids[:filled] < 0).any() or (ids[filled:] != -1).any():
        return f"expected {filled} filled slots and then -1, got ids {ids.tolist()}"
    found, ids = found[:filled], ids[:filled]
    if (ids >= n).any():
        return f"id {int(ids.max())} is out of range: the database has {n} items"
    if len(np.unique(ids)) != filled:
        return f"an id comes twice in {ids.tolist()}"
    right = truth[ids]
    wrong = ~np.isclose(found, right, rtol=rtol, atol=atol, equal_nan=True)
    if wrong.any():
        slot = int(np.argmax(wrong))
        return f"id {int(ids[slot])} has distance {right[slot]}, the answer says {found[slot]}"
    # NaN ranks after +inf; finite stand-ins for both can be subtracted.
    infinity = np.finfo(np.float64).max / 4
    rank = np.where(np.isnan(truth), 2 * infinity, np.minimum(truth, infinity))
    ranked = rank[ids]
    slack = atol + rtol * np.abs(ranked)
    if (ranked[1:] < ranked[:-1] - slack[:-1]).any():
        return f"distances are not in increasing order: {found.tolist()}"
    left_out = np.delete(rank, ids)
    if filled and left_out.size and left_out.min() < ranked.max() - slack.max():
        return f"an item at distance {left_out.min()} was left out, one at {ranked.max()} is in"
    return None
