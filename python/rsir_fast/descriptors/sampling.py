"""A uniform sample of a stream, the same in whatever order the stream comes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reservoir"]


class Reservoir:
    """Keeps a uniform sample of rows.

    Every row draws a key from a generator seeded by (seed, number of its group); the rows of the smallest keys stay
    (bottom-k sampling: Cohen, Kaplan 2007). So the sample depends on neither the order of the groups nor on how many
    threads made them.

    Parameters
    ----------
    size
        Rows kept at most.
    width
        Values a row.
    seed
        Of the draw.

    Notes
    -----
    Memory: up to twice the sample.

    Examples
    --------
    >>> sample = Reservoir(2, 1, seed=0)
    >>> for number in range(3):
    ...     sample.add(number, np.full((4, 1), number, np.uint8))
    >>> sample.seen, sample.rows().shape
    (12, (2, 1))
    """

    def __init__(self, size: int, width: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self.seen = 0
        self._rows = np.empty((0, width), np.uint8)
        self._keys = np.empty(0)
        self._new: list[tuple[NDArray[np.float64], NDArray[np.uint8]]] = []
        self._waiting = 0
        self._limit = np.inf

    def add(self, number: int, rows: NDArray[np.uint8]) -> None:
        """Offer the rows of a group, uint8 [m, width]; each group comes once."""
        self.seen += len(rows)
        keys = np.random.default_rng([self.seed, number]).random(len(rows))
        low = keys < self._limit
        self._new.append((keys[low], rows[low]))
        self._waiting += int(low.sum())
        if self._waiting > self.size:
            self._settle()

    def rows(self) -> NDArray[np.uint8]:
        """Return the sample in random order, uint8 [min(size, seen), width]."""
        self._settle()
        return self._rows[np.argsort(self._keys, kind="stable")]

    def _settle(self) -> None:
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._new)])
        rows = np.concatenate([self._rows, *(rows for _, rows in self._new)])
        if len(keys) > self.size:
            kept = np.argpartition(keys, self.size - 1)[: self.size]
            keys, rows = keys[kept], rows[kept]
            self._limit = float(keys.max())
        self._keys, self._rows, self._new, self._waiting = keys, rows, [], 0
