"""Query expansion and database augmentation: a vector becomes the mean of itself and its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsir_fast.retrieval.neighbours import cosines, nearest_others

__all__ = ["Expansion"]


@dataclass(frozen=True)
class Expansion:
    """Replace vectors by the weighted mean of themselves and their k nearest items, scaled to the length they had.

    The vector itself has weight 1, an item at cosine c has max(c, 0)^alpha. Alpha 0 is average query expansion (Chum et
    al.: Total recall, ICCV 2007), larger alpha trusts near items more (Radenović, Tolias, Chum:
    Fine-tuning CNN image retrieval with no human annotation, TPAMI 2019: alpha query expansion).

    Parameters
    ----------
    k : int
        Neighbours.
    alpha : float
    database : bool
        False: only queries are replaced, and ranked against the database as it was. True: the items as well, each from
        its own neighbours (database-side augmentation; Turcot, Lowe, ICCV workshops 2009; Gordo et al., IJCV 2017).

    Notes
    -----
    Where the query is an item of the database, it is left out of its own neighbours by its number, never as the first
    hit: what is added are other images. No label is looked at. With `database`, an item that has the query among its
    neighbours takes it in, as it takes in any image of the collection.

    O(q n d) time to find the neighbours.

    Examples
    --------
    >>> x = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    >>> Expansion(1).apply(x, x, np.arange(3))[0].astype(float).round(3).tolist()
    [[0.894, 0.447], [0.316, 0.949], [0.316, 0.949]]
    """

    k: int
    alpha: float = 0.0
    database: bool = False

    def __post_init__(self) -> None:
        name = "augment" if self.database else "expand"
        if self.k < 1:
            raise ValueError(f"{name}: expected at least 1 neighbour, got {self.k}")
        if not 0 <= self.alpha < np.inf:
            raise ValueError(f"{name}: expected alpha of at least 0, got {self.alpha:g}")

    def apply(
        self,
        queries: NDArray[np.float32],
        database: NDArray[np.float32],
        own: NDArray[np.int64] | None,
        *,
        move: Callable[[NDArray[np.float32]], Any] | None = None,
        threads: int | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what takes the place of queries [q, d] and database [n, d]; `own` as in `nearest_others`.

        `move` brings an array to where neighbours are searched for, such as a CUDA device.
        """
        if np.isnan(queries).any() or np.isnan(database).any():
            raise ValueError(f"{self}: expected features without NaN, whose neighbours mean nothing")
        wanted = self._means(queries, database, own, move, threads)
        if not self.database:
            return wanted, database
        same = own is not None and queries is database
        return wanted, wanted if same else self._means(database, database, np.arange(len(database)), move, threads)

    def _means(
        self,
        queries: NDArray[np.float32],
        database: NDArray[np.float32],
        own: NDArray[np.int64] | None,
        move: Callable[[NDArray[np.float32]], Any] | None,
        threads: int | None,
    ) -> NDArray[np.float32]:
        there = database if move is None else move(database)
        asked = there if queries is database else queries if move is None else move(queries)
        ids = nearest_others(asked, there, self.k, own, threads=threads)[1]
        weights = np.maximum(cosines(queries, database, ids), 0.0) ** self.alpha
        total = queries.astype(np.float64)
        before = np.sqrt((total * total).sum(axis=1, keepdims=True))
        for neighbour, weight in zip(ids.T, weights.T, strict=True):  # one after the other: the same sum everywhere
            total += weight[:, None] * database[neighbour]
        after = np.sqrt((total * total).sum(axis=1, keepdims=True))
        found: NDArray[np.float32] = (total * (before / np.where(after > 0, after, 1.0))).astype(np.float32)
        return found

    def __str__(self) -> str:
        name = "augment" if self.database else "expand"
        return f"{name}:{self.k}" + (f":{self.alpha:g}" if self.alpha else "")
