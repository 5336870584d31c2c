"""Every item in turn a query, by the city-block distance (L1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.ops import RelevantRanks
from rsir_fast.ops.reference import LANES
from rsir_fast.retrieval.ranking import Ranking

__all__ = ["CityBlockRanking"]

_AT_ONCE = 1 << 22
"""Distances of a block."""


class CityBlockRanking(Ranking):
    """What ranks the items by the sum of absolute differences.

    A distance is summed in float64 in the lane order, as the Euclidean ones are (``docs/exactness.md``), and rounded
    once to float32; equal ones are ordered by id, NaN comes last. So it has the same bits everywhere. In NumPy, by one
    thread: for short vectors, as those of shallow descriptors are.

    Parameters
    ----------
    vectors : array, float32 [n, d]
        The items, all of them queries.

    Notes
    -----
    O(n^2 (d + log n)) time, some 1.5 ns for each n^2 d; memory beside the vectors: a copy in float64, and 16 bytes for
    each of 4 million distances.

    Examples
    --------
    >>> ranking = CityBlockRanking(np.array([[0, 0], [3, 3], [5, 0]], np.float32))
    >>> distances, ids = ranking.nearest(np.array([0]), 3)  # by the Euclidean distance 1 would be before 2
    >>> distances.tolist(), ids.tolist()
    ([[0.0, 5.0, 6.0]], [[0, 2, 1]])
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        super().__init__(vectors, vectors)
        n, d = vectors.shape
        self._rows = np.zeros((n, -(-d // LANES) * LANES))
        self._rows[:, :d] = vectors

    def ranks(self, labels: NDArray[np.int64], block: int | None = None) -> Iterator[RelevantRanks]:
        """Yield the ranks of the relevant items, as `rsir_fast.relevant_ranks` with every item its own query."""
        n = len(labels)
        size = block or max(1, _AT_ONCE // max(1, n))
        for start in range(0, n, size):
            own = np.arange(start, min(start + size, n))
            ids = self.nearest(own, n)[1]
            relevant = labels[ids] == labels[own, None]
            at = np.nonzero(relevant)[1] + 1
            yield RelevantRanks(start, relevant.sum(axis=1), at, np.nonzero(ids == own[:, None])[1] + 1)

    def nearest(self, items: NDArray[np.int64], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return distances and ids [m, k] of the first k results of some queries, themselves among them."""
        distances = np.empty((len(items), len(self._rows)), np.float32)
        for row, item in zip(distances, items.tolist(), strict=True):
            row[:] = self._from(item)
        ids = np.argsort(distances, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(distances, ids, axis=1), ids

    def told(self, measured: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return distances of `nearest` as readers are told them."""
        return measured.astype(np.float64)

    def _from(self, item: int) -> Any:
        """Return the distances of all items from one, float64 [n]."""
        query, lanes = self._rows[item], np.zeros((len(self._rows), LANES))
        with np.errstate(invalid="ignore"):  # inf - inf
            for first in range(0, self._rows.shape[1], LANES):
                lanes += np.abs(self._rows[:, first : first + LANES] - query[first : first + LANES])
        half = LANES // 2
        while half >= 1:
            lanes = lanes[:, :half] + lanes[:, half : 2 * half]
            half //= 2
        return lanes[:, 0]
